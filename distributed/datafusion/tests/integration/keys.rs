//! Keys of shards.

use crate::common::{Twin, only_value, open, rows, text};
use rusqlite::types::Value;
use sqload::shards::ShardKey;

#[tokio::test]
async fn null_differs_from_its_spelling_and_names_are_escaped() {
    let twin = Twin::new(4);
    let values = [
        None,
        Some(""),
        Some("%5F"),
        Some("../x"),
        Some("NULL"),
        Some("__HIVE_DEFAULT_PARTITION__"),
        Some("a b/ü\n"),
    ];
    let list: Vec<_> = (0..200)
        .map(|n| match values[n % values.len()] {
            Some(value) => format!("('{value}', {n})"),
            None => format!("(NULL, {n})"),
        })
        .collect();
    let query = format!("SELECT c, n FROM (VALUES {}) AS t(c, n)", list.join(", "));
    let manifest = twin.copy(&query, "PARTITIONED BY (c)").await.unwrap();
    let mut expected = values;
    expected.sort();
    let keys: Vec<_> = manifest.shards.iter().map(|shard| only_value(&shard.key)).collect();
    assert_eq!(keys, expected);
    for shard in &manifest.shards {
        let database = open(&twin.path("out").join(&shard.path));
        assert_eq!(rows(&database, "SELECT DISTINCT c FROM out"), [[text(only_value(&shard.key))]]);
    }
    let paths: Vec<_> = manifest.shards.iter().map(|shard| shard.path.as_str()).collect();
    assert_eq!(paths[0], "c=__HIVE_DEFAULT_PARTITION__/data.sqlite");
    assert!(paths.contains(&"c=%5F_HIVE_DEFAULT_PARTITION__/data.sqlite"), "{paths:?}");
    assert!(paths.contains(&"c=..%2Fx/data.sqlite"), "{paths:?}");
}

#[tokio::test]
async fn several_columns_are_one_key() {
    let twin = Twin::new(3);
    let query = "SELECT region, day, n FROM (VALUES
        ('eu', DATE '2026-01-31', 1), ('us', DATE '2026-01-31', 2), ('eu', NULL, 3), (NULL, NULL, 4), ('eu', NULL, 5))
        AS t(region, day, n)";
    let manifest = twin.copy(query, "PARTITIONED BY (region, day) OPTIONS (table t)").await.unwrap();
    let key = |region, day| ShardKey::columns([("region", region), ("day", day)]);
    let keys: Vec<_> = manifest.shards.iter().map(|shard| (shard.key.clone(), shard.rows)).collect();
    let day = Some("2026-01-31");
    assert_eq!(
        keys,
        [
            (key(None, None), 1),
            (key(Some("eu"), None), 2),
            (key(Some("eu"), day), 1),
            (key(Some("us"), day), 1)
        ]
    );
    assert_eq!(manifest.shards[2].path, "region=eu/day=2026-01-31/data.sqlite");
}

#[tokio::test]
async fn a_key_is_the_text_of_what_sqlite_stores() {
    for (query, expected) in [
        ("SELECT * FROM (VALUES (true), (false), (NULL)) AS t(c)", [None, Some("0"), Some("1")]),
        (
            "SELECT * FROM (VALUES (-1), (10), (9223372036854775807)) AS t(c)",
            [Some("-1"), Some("10"), Some("9223372036854775807")],
        ),
        (
            "SELECT arrow_cast(c, 'Dictionary(Int32, Utf8)') AS c FROM (VALUES ('a'), ('b'), (NULL)) AS t(c)",
            [None, Some("a"), Some("b")],
        ),
        (
            "SELECT arrow_cast(c, 'LargeUtf8') AS c FROM (VALUES ('a'), ('b'), ('')) AS t(c)",
            [Some(""), Some("a"), Some("b")],
        ),
    ] {
        let twin = Twin::new(2);
        let manifest = twin.copy(query, "PARTITIONED BY (c)").await.unwrap();
        let keys: Vec<_> = manifest.shards.iter().map(|shard| only_value(&shard.key)).collect();
        assert_eq!(keys, expected);
        for shard in &manifest.shards {
            let database = open(&twin.path("out").join(&shard.path));
            let stored: Value = rows(&database, "SELECT CAST(c AS TEXT) FROM out")[0][0].clone();
            assert_eq!(stored, text(only_value(&shard.key)));
        }
    }
}

#[tokio::test]
async fn keys_without_a_canonical_text_are_refused() {
    let twin = Twin::new(2);
    for kind in ["DOUBLE", "TIMESTAMP", "DECIMAL(9, 2)"] {
        let query = format!("SELECT CAST(NULL AS {kind}) AS c");
        let error = twin.copy(&query, "PARTITIONED BY (c)").await.unwrap_err().to_string();
        assert!(error.contains("PARTITIONED BY c: the type is") && error.contains("CAST"), "{error}");
    }
    let error = twin.copy("SELECT 1 AS c", "PARTITIONED BY (d)").await.unwrap_err().to_string();
    assert!(error.contains('d'), "{error}");
    let long = format!("SELECT '{}' AS c", "x".repeat(300));
    let error = twin.copy(&long, "PARTITIONED BY (c)").await.unwrap_err().to_string();
    assert!(error.contains("more than 255 bytes"), "{error}");
    assert!(!twin.path("out/_staging").exists() && !twin.path("out/manifest.json").exists());
}
