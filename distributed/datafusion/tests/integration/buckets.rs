//! Shards by hash buckets.

use crate::common::{Twin, open, rows, sorted};
use rusqlite::types::Value;
use sqload::shards::ShardKey;
use std::num::NonZeroU32;

#[tokio::test]
async fn rows_are_in_the_bucket_of_their_key() {
    for partitions in [1, 4] {
        let twin = Twin::new(partitions);
        let csv: String = (0..3000)
            .map(|n| format!("{},{n}\n", if n % 50 == 0 { String::new() } else { format!("k{}", n % 300) }))
            .collect();
        twin.table("t", "c TEXT, n INTEGER", &format!("c,n\n{csv}")).await;
        let manifest = twin
            .copy("SELECT * FROM t ORDER BY n", "PARTITIONED BY (c) OPTIONS (table t, buckets 7)")
            .await
            .unwrap();
        assert!(manifest.buckets == Some(7) && manifest.shards.len() == 7);
        let mut all = Vec::new();
        for shard in &manifest.shards {
            let database = open(&twin.path("out").join(&shard.path));
            let found = rows(&database, "SELECT * FROM t ORDER BY rowid");
            for row in &found {
                let value = if let Value::Text(text) = &row[0] { Some(text.as_str()) } else { None };
                assert_eq!(ShardKey::hashed([value], NonZeroU32::new(7).unwrap()), shard.key);
            }
            assert_eq!(found, rows(&database, "SELECT * FROM t ORDER BY n"));
            all.extend(found);
        }
        assert_eq!(sorted(all), sorted(rows(&twin.oracle, "SELECT * FROM t")));
    }
}

#[tokio::test]
async fn buckets_need_a_key_and_a_number() {
    let twin = Twin::new(2);
    let error = twin.copy("SELECT 1 AS c", "OPTIONS (buckets 7)").await.unwrap_err().to_string();
    assert!(error.contains("option buckets needs PARTITIONED BY"), "{error}");
    for wrong in ["0", "-1", "'many'"] {
        let rest = format!("PARTITIONED BY (c) OPTIONS (buckets {})", wrong.replace("-1", "'-1'"));
        let error = twin.copy("SELECT 1 AS c", &rest).await.unwrap_err().to_string();
        assert!(error.contains("option buckets is a positive number"), "{error}");
    }
}
