//! OPTIONS of COPY.

use crate::common::{Twin, files, open, rows};
use rusqlite::types::Value;

#[tokio::test]
async fn options_describe_the_table_of_every_shard() {
    let twin = Twin::new(2);
    let query =
        "SELECT * FROM (VALUES ('a', 1, 'x'), ('a', 2, 'y'), ('b', 1, 'z')) AS t(c, \"my id\", \"u,v\")";
    let options = "PARTITIONED BY (c) OPTIONS (table sales, 'primary key' 'c, my id', unique '\"u,v\"', index '\"u,v\", c; c',
        strict true, without_rowid true, durable true, 'expected rows' 3)";
    let manifest = twin.copy(query, options).await.unwrap();
    for shard in &manifest.shards {
        let database = open(&twin.path("out").join(&shard.path));
        let schema = rows(&database, "SELECT sql FROM sqlite_schema WHERE sql NOT NULL");
        let schema = format!("{schema:?}").replace('\\', "");
        for part in [
            "PRIMARY KEY (\"c\", \"my id\")",
            "UNIQUE (\"u,v\")",
            "STRICT",
            "WITHOUT ROWID",
            "(\"u,v\", \"c\")",
            "(\"c\")",
        ] {
            assert!(schema.contains(part), "{part}: {schema}");
        }
        assert_eq!(
            rows(&database, "SELECT DISTINCT typeof(\"my id\") FROM sales"),
            [[Value::Text("integer".to_owned())]]
        );
    }
}

#[tokio::test]
async fn wrong_options_are_errors_and_leave_nothing() {
    let twin = Twin::new(2);
    for (options, message) in [
        ("tabel t", "unknown option \"tabel\"; the options are table, primary_key"),
        (
            "'execution.keep_partition_by_columns' false",
            "unknown option \"execution.keep_partition_by_columns\"",
        ),
        ("strict maybe", "option strict is true or false, not \"maybe\""),
        ("expected_rows few", "option expected_rows is a positive number, not \"few\""),
        ("primary_key 'a;b'", "option primary_key is one list of columns"),
        ("index 'a,,b'", "option index is a list of columns"),
        ("single_file_output true", "unknown option \"single_file_output\""),
        ("primary_key missing", "missing"),
        ("expected_rows 5", "1 shard with 1 row, expected 5 rows"),
    ] {
        let error =
            twin.copy("SELECT 1 AS c", &format!("OPTIONS ({options})")).await.unwrap_err().to_string();
        assert!(error.contains(message), "{options}: {error}");
        assert!(files(&twin.path("out")).is_empty(), "{options}");
    }
}

#[tokio::test]
async fn targets_that_are_not_local_are_refused() {
    let twin = Twin::new(2);
    let copy = "COPY (SELECT 1 AS c) TO 's3://bucket/out/' STORED AS SQLITE";
    let error = twin.run(copy).await.unwrap_err().to_string();
    assert!(
        error.contains("shards need a directory that all processes see, not \"s3://bucket/out/\""),
        "{error}"
    );
    twin.run("COPY (SELECT 1 AS c) TO 'file://{dir}/a%20b/' STORED AS SQLITE").await.unwrap();
    assert!(twin.path("a b/manifest.json").exists());
}

#[tokio::test]
async fn existing_shards_are_kept_unless_they_are_to_be_replaced() {
    let twin = Twin::new(2);
    let first = twin.copy("SELECT 1 AS c, 2 AS n", "PARTITIONED BY (c)").await.unwrap();
    let error = twin.copy("SELECT 3 AS c", "PARTITIONED BY (c)").await.unwrap_err().to_string();
    assert!(error.contains("already contains shards; use OPTIONS (replace true)"), "{error}");
    assert_eq!(crate::common::checked_manifest(&twin.path("out")), first);
    let second =
        twin.copy("SELECT 1 AS c, 4 AS n", "PARTITIONED BY (c) OPTIONS (replace true)").await.unwrap();
    let expected = [twin.path("out").join(&second.shards[0].path), twin.path("out/manifest.json")];
    assert_eq!(files(&twin.path("out")), expected);
}
