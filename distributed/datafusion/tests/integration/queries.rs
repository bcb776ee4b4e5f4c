//! Queries over files.

use crate::common::{Twin, open, rows};
use rusqlite::types::Value;

const SALES: &str = "id INTEGER, tenant TEXT, shop INTEGER, amount INTEGER, price REAL";

/// A table with some thousand rows and NULLs in every column but the first.
fn sales(count: usize) -> String {
    let row = |id: usize| {
        let field = |every: usize, text: String| if id.is_multiple_of(every) { String::new() } else { text };
        let tenant = field(11, format!("t{}", id * id % 17));
        let (shop, amount) = (field(13, (id % 5).to_string()), field(7, (id * 37 % 1000).to_string()));
        let price = field(19, format!("{}.{}", id % 90, ["25", "5", "75"][id % 3]));
        format!("{id},{tenant},{shop},{amount},{price}\n")
    };
    "id,tenant,shop,amount,price\n".to_owned() + &(1..=count).map(row).collect::<String>()
}

#[tokio::test]
async fn each_value_has_a_shard_with_its_rows() {
    for partitions in [1, 4] {
        let twin = Twin::new(partitions);
        twin.table("sales", SALES, &sales(3000)).await;
        let manifest = twin.assert_same("SELECT * FROM sales", "tenant", "OPTIONS (table sales)").await;
        assert!(manifest.rows == 3000 && manifest.columns == ["tenant"]);
        assert_eq!(manifest.shards[0].path, "tenant=__HIVE_DEFAULT_PARTITION__/data.sqlite");
    }
}

#[tokio::test]
async fn joins_and_aggregates_give_the_rows_of_sqlite() {
    let twin = Twin::new(4);
    twin.table("sales", SALES, &sales(3000)).await;
    twin.table("shops", "shop INTEGER, city TEXT", "shop,city\n0,Paris\n1,Oslo\n2,Paris\n3,Rome\n9,Bern\n")
        .await;
    let query = "SELECT city, tenant, count(*) AS sales, sum(amount) AS amount, min(price) AS cheapest, max(id) AS last
        FROM sales JOIN shops ON sales.shop = shops.shop WHERE sales.amount > 20 GROUP BY city, tenant";
    let manifest = twin.assert_same(query, "city", "").await;
    assert_eq!(manifest.shards.len(), 3);
    assert_eq!(manifest.table, "out");
    std::fs::remove_dir_all(twin.path("out")).unwrap();
    let query = "SELECT shops.shop AS shop, city, sales.id AS id FROM shops LEFT JOIN sales ON sales.shop = shops.shop";
    assert_eq!(twin.assert_same(query, "shop", "").await.shards.len(), 5);
}

#[tokio::test]
async fn without_a_key_all_rows_are_one_database_in_the_order_of_the_query() {
    let twin = Twin::new(4);
    twin.table("sales", SALES, &sales(2500)).await;
    let query = "SELECT amount, price, id FROM sales ORDER BY amount DESC NULLS LAST, id";
    let manifest = twin.copy(query, "OPTIONS (table by_amount)").await.unwrap();
    assert_eq!(manifest.shards.len(), 1);
    assert_eq!(manifest.shards[0].path, "data.sqlite");
    let found = rows(&open(&twin.path("out/data.sqlite")), "SELECT * FROM by_amount ORDER BY rowid");
    assert_eq!(found, rows(&twin.oracle, query));
}

#[tokio::test]
async fn rows_of_a_shard_have_the_order_of_the_query() {
    let twin = Twin::new(4);
    twin.table("sales", SALES, &sales(2500)).await;
    let manifest =
        twin.copy("SELECT shop, id FROM sales ORDER BY id DESC", "PARTITIONED BY (shop)").await.unwrap();
    for shard in &manifest.shards {
        let database = open(&twin.path("out").join(&shard.path));
        let order = rows(&database, "SELECT id FROM out ORDER BY rowid");
        assert_eq!(order, rows(&database, "SELECT id FROM out ORDER BY id DESC"));
    }
}

#[tokio::test]
async fn a_query_without_rows_has_an_empty_manifest_or_an_empty_table() {
    let twin = Twin::new(4);
    twin.table("sales", SALES, &sales(10)).await;
    let query = "SELECT tenant, id FROM sales WHERE id > 99";
    assert!(twin.copy(query, "PARTITIONED BY (tenant)").await.unwrap().shards.is_empty());
    let manifest = twin.copy(query, "OPTIONS (replace true)").await.unwrap();
    assert!(manifest.rows == 0 && manifest.shards.len() == 1);
    let columns =
        rows(&open(&twin.path("out/data.sqlite")), "SELECT name, type FROM pragma_table_info('out')");
    let column = |name: &str, kind: &str| vec![Value::from(name.to_owned()), Value::from(kind.to_owned())];
    assert_eq!(columns, [column("tenant", "TEXT"), column("id", "INTEGER")]);
}

#[tokio::test]
async fn values_keep_their_types_through_parquet() {
    let twin = Twin::new(2);
    twin.run(
        "COPY (SELECT * FROM (VALUES
            ('x', 1, 2.5, true, DATE '2026-01-31', TIMESTAMP '2026-01-31T18:30:00.5', CAST(12.50 AS DECIMAL(20, 2)), X'00ff', [1, NULL]),
            ('y', NULL, -0.125, false, NULL, NULL, NULL, NULL, NULL))
            AS t(text, integer, real, flag, day, time, exact, bytes, list)) TO '{dir}/all.parquet' STORED AS PARQUET",
    )
    .await
    .unwrap();
    let path = twin.path("all.parquet");
    twin.context.register_parquet("stored", path.to_str().unwrap(), Default::default()).await.unwrap();
    twin.copy("SELECT * FROM stored ORDER BY text", "OPTIONS (table t)").await.unwrap();
    let found = rows(&open(&twin.path("out/data.sqlite")), "SELECT * FROM t");
    let text = |text: &str| Value::Text(text.to_owned());
    let first = vec![
        text("x"),
        Value::Integer(1),
        Value::Real(2.5),
        Value::Integer(1),
        text("2026-01-31"),
        text("2026-01-31 18:30:00.500"),
        text("12.50"),
        Value::Blob(vec![0, 255]),
        text("[1,null]"),
    ];
    let mut second = vec![Value::Null; 9];
    second[0] = text("y");
    second[2] = Value::Real(-0.125);
    second[3] = Value::Integer(0);
    assert_eq!(found, [first, second]);
}

#[tokio::test]
async fn ten_thousand_keys_are_ten_thousand_shards() {
    let twin = Twin::new(8);
    let csv: String = (0..20_000).map(|n| format!("k{},{n}\n", n % 10_000)).collect();
    twin.table("t", "c TEXT, n INTEGER", &format!("c,n\n{csv}")).await;
    let manifest =
        twin.copy("SELECT * FROM t ORDER BY n", "PARTITIONED BY (c) OPTIONS (table t)").await.unwrap();
    assert!(manifest.shards.len() == 10_000 && manifest.rows == 20_000);
    for shard in &manifest.shards {
        let number: i64 = crate::common::only_value(&shard.key).unwrap()[1..].parse().unwrap();
        let found = rows(&open(&twin.path("out").join(&shard.path)), "SELECT n FROM t");
        assert_eq!(found, [[Value::Integer(number)], [Value::Integer(number + 10_000)]]);
    }
}
