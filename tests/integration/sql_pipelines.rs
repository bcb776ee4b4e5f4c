//! SQL pipelines: their results are compared with those of SQLite.

use crate::common::{TWO_PEOPLE, TestDir, assert_contains, query, rows_of};
use rusqlite::Connection;
use rusqlite::types::Value;

const PEOPLE: &str =
    "first_name,last_name,age\nAda,Lovelace,36\nAlan,Turing,041\n,\"\",1.5\n\"a\nb\",O'Hara,-7\n";

/// The reference: SQLite runs the script with the table `input` that a plain load creates.
fn sqlite(script: &str, csv: &str) -> Connection {
    let dir = TestDir::new();
    dir.write("input.csv", csv);
    dir.run(&["load", "input.csv", "plain.db"]).expect_code(0);
    let connection = dir.open("plain.db");
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute_batch(script).unwrap();
    connection.execute_batch("DROP TABLE input").unwrap();
    connection
}

/// Everything in a database except statistics: declarations as written, and rows with types.
fn content(connection: &Connection) -> Vec<(String, Vec<Vec<Value>>)> {
    let sql = "SELECT sql, name, type FROM sqlite_schema
        WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_stat%' ORDER BY type, name";
    let object = |row: Vec<Value>| {
        let [Value::Text(sql), Value::Text(name), Value::Text(kind)] = &row[..] else { panic!("{row:?}") };
        let rows = match kind.as_str() {
            "index" => Vec::new(),
            _ => rows_of(connection, &format!("SELECT * FROM \"{name}\"")),
        };
        (sql.clone(), rows)
    };
    rows_of(connection, sql).into_iter().map(object).collect()
}

/// Asserts that each writer gives the database that SQLite gives for `script` and `csv`.
#[track_caller]
fn assert_same_as_sqlite(script: &str, csv: &str) {
    let expected = content(&sqlite(script, csv));
    for options in [&["-j", "1"][..], &["-j", "3", "--writer", "statements"]] {
        let dir = TestDir::new();
        dir.write("people.csv", csv);
        dir.write("people.sql", script);
        dir.run(&[&["run-pipeline", "people.sql"], options].concat()).expect_code(0);
        assert_eq!(query(&dir.database(), "PRAGMA integrity_check"), "ok");
        assert_eq!(content(&dir.database()), expected, "{options:?}");
    }
}

#[test]
fn tables_match_sqlite() {
    let tables = [
        "CREATE TABLE t (a, b)",
        "create table \"t\" (a INTEGER, [b] REAL -- a comment, with a comma\n)",
        "CREATE TABLE main.t (a TEXT DEFAULT 'x', b NUMERIC, c INTEGER DEFAULT 7, d DEFAULT CURRENT_DATE)",
        "CREATE TABLE t (a TEXT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID",
        "CREATE TABLE t (a TEXT, b ANY) STRICT",
        "CREATE TABLE t (a TEXT, b TEXT CHECK (length(b) < 100), c AS (a || b), d TEXT AS (upper(a)) STORED)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT, b TEXT)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT UNIQUE)",
        "CREATE TABLE t (a VARCHAR(10) COLLATE NOCASE, b TEXT REFERENCES other (x) ON DELETE CASCADE)",
        "CREATE TABLE t (a TEXT NOT NULL, b TEXT NOT NULL DEFAULT '', CONSTRAINT one UNIQUE (a, b))",
    ];
    for table in tables {
        println!("{table}");
        let script = format!("{table};\nINSERT INTO t (a, b) SELECT first_name, age FROM input;");
        assert_same_as_sqlite(&script, PEOPLE);
    }
}

#[test]
fn names_and_columns_resolve_like_in_sqlite() {
    let inserts = [
        "INSERT INTO t SELECT first_name, age, last_name FROM input",
        "INSERT INTO T (c, A) SELECT First_Name, \"age\" FROM input",
        "INSERT INTO main.t (b, c, a) SELECT [first_name], `age`, last_name AS x FROM \"input\"",
        "INSERT INTO t SELECT * FROM input",
        "INSERT INTO t (c, a, b) SELECT * FROM INPUT AS i",
        "INSERT INTO t SELECT input.*  FROM input;;",
        "INSERT INTO t (b, a) SELECT i.age, ALL_OF_IT.age FROM input AS ALL_OF_IT"
            .replace("i.age", "1")
            .leak(),
        "/* first */ INSERT INTO t -- then\n SELECT 'it''s; not', 12, age FROM input -- done",
        "INSERT INTO t SELECT first_name || ' ' || last_name, age, 9223372036854775807 FROM input",
    ];
    for insert in inserts {
        println!("{insert}");
        assert_same_as_sqlite(&format!("CREATE TABLE t (a, b, c);\r\n{insert}"), PEOPLE);
    }
}

#[test]
fn indexes_and_views_match_sqlite() {
    assert_same_as_sqlite(
        "CREATE TABLE t (a TEXT, b INTEGER, c TEXT);
        INSERT INTO t SELECT first_name, age, last_name FROM input;
        CREATE UNIQUE INDEX by_a ON t (a);
        create index IF NOT EXISTS by_b ON t (b DESC, c COLLATE NOCASE) WHERE b > 1;
        CREATE VIEW \"old;er\" (name) AS SELECT a FROM t WHERE b > 3 ORDER BY b LIMIT 1;
        CREATE VIEW IF NOT EXISTS sums AS SELECT count(*), sum(b) FROM t;
        ANALYZE",
        PEOPLE,
    );
}

#[test]
fn words_that_are_not_sqlite_keywords_are_names() {
    let csv = "top,any,some,localtime,interval,position,substring,xor\n1,2,3,4,5,6,7,8\n,b,c,d,e,f,g,h\n";
    assert_same_as_sqlite(
        "CREATE TABLE local (a, b, c, d, e, f, g, h);
        INSERT INTO local SELECT top, 1 = any, some + any * any, localtime, interval || position, top || '',
            substr(substring, 1, 1) || trim(top), xor xor FROM input WHERE some IS NOT any",
        csv,
    );
}

#[test]
fn compiled_functions_read_unusual_arguments_like_sqlite() {
    assert_same_as_sqlite(
        "CREATE TABLE t (a, b, c, d);
        INSERT INTO t SELECT replace(b, a, NULL), replace(b, char(0), NULL), printf('%-05d|%05d|%-5d', c, c, c), replace(b, a, c)
        FROM input",
        "a,b,c\n\0,inf,1\n,inf,-2\n\0i,i,3\ni,i,4\n",
    );
}

#[test]
fn quotes_in_literals_and_names_are_preserved() {
    // Some of these expressions are compiled, some run in SQLite, some are split between both.
    assert_same_as_sqlite(
        r#"CREATE TABLE t (a, b, c, d, e, f, g, h);
        INSERT INTO t SELECT 'it''''s', quote('it''''s'), replace(quote("a""b"), '''', ''''''), "a""""b" || quote("a""b"),
            json_array("a""""b", '\''', 'x\'), quote('\''''\'''), coalesce(date("a""b"), '-') || '''''', c LIKE '%''''' ESCAPE ''''
        FROM input WHERE quote('it''''s') <> quote('it''s') AND json_array("a""""b") <> json_array('7')"#,
        "\"a\"\"\"\"b\",\"a\"\"b\",c\n7,2020-01-01,x\n8,2020-01-01,x''\n9,2451545,\n'',\"\"\"\",''\n",
    );
}

#[test]
fn a_column_called_true_must_be_quoted() {
    let dir = TestDir::new();
    dir.write("people.csv", "a,true\n1,no\n2,yes\n");
    for (sql, is_rejected) in
        [("true", true), ("a + TRUE", true), ("\"true\"", false), ("input.true", false), ("false", false)]
    {
        dir.write(
            "people.sql",
            format!("DROP TABLE IF EXISTS t; CREATE TABLE t (x); INSERT INTO t SELECT {sql} FROM input"),
        );
        let outcome = dir.run(&["run-pipeline", "people.sql"]);
        if is_rejected {
            outcome
                .expect_code(1)
                .assert_single_message(&["people.sql: line 1, column", "a column is called true"]);
        } else {
            outcome.expect_code(0);
        }
    }
}

#[test]
fn expressions_may_be_as_deep_as_in_sqlite() {
    let row = ["first_name"; 999].join(" || ");
    let calls = format!("{}first_name{}", "replace(".repeat(400), ", 'A', 'a')".repeat(400));
    let condition = vec!["age <> '1.5'"; 900].join(" AND ");
    let script = |row: &str| {
        format!(
            "CREATE TABLE t (a, b, c); INSERT INTO t SELECT {row}, {calls}, hex({calls}) FROM input WHERE {condition};"
        )
    };
    assert_same_as_sqlite(&script(&row), PEOPLE);
    for operands in [1001, 100_000] {
        let dir = TestDir::new();
        dir.write("people.csv", PEOPLE);
        dir.write("people.sql", script(&vec!["age"; operands].join(" || ")));
        let stderr = dir.run(&["run-pipeline", "people.sql"]).expect_code(1).stderr.to_lowercase();
        assert!(stderr.contains("too large (maximum depth 1000)") || stderr.contains("too deep"), "{stderr}");
    }
}

#[test]
fn the_people_pipeline_in_a_file_loads_like_the_built_in_one() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    dir.write("people.sql", sqload::demo::people::SQL);
    for options in [&[][..], &["--writer", "statements"]] {
        dir.run(&[&["run-pipeline", "people.sql"], options].concat()).expect_code(0);
        dir.assert_holds(TWO_PEOPLE);
        assert_eq!(dir.file_names(), ["people.csv", "people.db", "people.sql"]);
    }
    dir.run(&["run-pipeline", "people.sql", "--id", "v4"]).expect_code(2);
}

#[test]
fn input_and_database_default_to_the_name_of_the_pipeline() {
    let dir = TestDir::new();
    std::fs::create_dir(dir.path("jobs")).unwrap();
    dir.write(
        "jobs/ages.sql",
        "DROP TABLE IF EXISTS ages; CREATE TABLE ages (age INT); INSERT INTO ages SELECT age FROM input",
    );
    dir.write("jobs/ages.csv", "age\n1\n");
    dir.write("a.csv", "x,age\n0,2\n");
    dir.write("b.csv", "AGE\n3\n");
    let ages = |path: &str| {
        let database = dir.open(path);
        query(&database, "SELECT group_concat(age) FROM (SELECT age FROM ages ORDER BY rowid)")
    };
    dir.run(&["run-pipeline", "jobs/ages.sql"]).expect_code(0);
    assert_eq!(ages("jobs/ages.db"), "1");
    dir.run(&["run-pipeline", "jobs/ages.sql", "-i", "a.csv", "--input", "b.csv"]).expect_code(0);
    assert_eq!(ages("jobs/ages.db"), "2,3");
    dir.run(&["run-pipeline", "jobs/ages.sql", "--database", "other.db"]).expect_code(0);
    assert_eq!((ages("other.db").as_str(), ages("jobs/ages.db").as_str()), ("1", "2,3"));
    dir.run(&["run-pipeline", "none.sql"])
        .expect_code(1)
        .assert_single_message(&["cannot read none.sql", "No such file"]);
}

#[test]
fn replaces_its_tables_and_views_and_nothing_else() {
    let dir = TestDir::with_pipeline(
        TWO_PEOPLE,
        "DROP TABLE IF EXISTS t; CREATE TABLE t (a); INSERT INTO t SELECT age FROM input;
        CREATE INDEX by_a ON t (a); CREATE VIEW v AS SELECT max(a) FROM t; ANALYZE t",
    );
    for run in 0..4 {
        if run == 2 {
            dir.database().execute_batch("CREATE TABLE other (x); INSERT INTO other VALUES (1)").unwrap();
        }
        dir.write("people.csv", format!("age\n{run}\n"));
        let outcome = dir.run(&["run-pipeline", "people.sql"]).expect_code(0);
        assert!(outcome.stderr.contains("direct writer"), "{run}: {}", outcome.stderr);
        assert_eq!(dir.query("SELECT * FROM v"), run.to_string());
        assert_eq!(dir.query("SELECT count(*) FROM t INDEXED BY by_a"), "1");
    }
    assert_eq!(dir.query("SELECT x FROM other"), "1");
}

#[test]
fn if_not_exists_appends_to_the_table() {
    let dir = TestDir::with_pipeline(
        TWO_PEOPLE,
        "CREATE TABLE IF NOT EXISTS t (a INTEGER, b DEFAULT 'x'); INSERT INTO t (a) SELECT age FROM input;
        CREATE INDEX IF NOT EXISTS by_a ON t (a); CREATE VIEW IF NOT EXISTS v AS SELECT sum(a) FROM t",
    );
    for sum in ["77", "154", "231"] {
        dir.run(&["run-pipeline", "people.sql"]).expect_code(0);
        assert_eq!(dir.query("SELECT * FROM v"), sum);
    }
    assert_eq!(dir.query("SELECT group_concat(DISTINCT b) FROM t"), "x");
    // Columns that are not assigned follow the existing table.
    for (table, b) in
        [("a, b DEFAULT 9", "9,9"), ("a, b NOT NULL DEFAULT 8", "8,8"), ("a, b AS (a + 1)", "37,42")]
    {
        dir.database().execute_batch(&format!("DROP TABLE t; CREATE TABLE t ({table})")).unwrap();
        dir.run(&["run-pipeline", "people.sql"]).expect_code(0);
        assert_eq!(dir.query("SELECT group_concat(b) FROM t"), b);
    }
}

#[test]
fn unassigned_columns_have_the_default_of_an_existing_table() {
    let tables =
        ["a, b DEFAULT 9, c", "c, a, b NOT NULL DEFAULT 'x'", "a, b INTEGER PRIMARY KEY, c DEFAULT (1 + 1)"];
    for insert in ["INSERT INTO t (a) SELECT age FROM input", "INSERT INTO t (a) SELECT * FROM input"] {
        for table in tables {
            let dir = TestDir::new();
            dir.write("people.csv", "age\n36\n41\n");
            dir.write("people.sql", format!("CREATE TABLE t (a, b, c); {insert}"));
            let expected = Connection::open_in_memory().unwrap();
            let script = "CREATE TABLE input (age INTEGER); INSERT INTO input VALUES (36), (41)";
            expected.execute_batch(&format!("{script}; CREATE TABLE t ({table}); {insert}")).unwrap();
            dir.database().execute_batch(&format!("CREATE TABLE t ({table})")).unwrap();
            dir.run(&["run-pipeline", "people.sql", "--append"]).expect_code(0);
            let rows = |connection| rows_of(connection, "SELECT a, b, c FROM t ORDER BY rowid");
            assert_eq!(rows(&dir.database()), rows(&expected), "{table}: {insert}");
        }
    }
    // A new table is filled directly, also if it might have existed.
    for (create, options) in
        [("CREATE TABLE IF NOT EXISTS", &[][..]), ("CREATE TABLE", &["--append", "--writer", "direct"])]
    {
        let script = format!("{create} t (a, b); INSERT INTO t (a) SELECT age FROM input");
        let dir = TestDir::with_pipeline(TWO_PEOPLE, &script);
        let outcome = dir.run(&[&["run-pipeline", "people.sql"], options].concat()).expect_code(0);
        assert!(outcome.stderr.contains("(direct writer)"), "{}", outcome.stderr);
        assert_eq!(dir.query("SELECT count(*) FROM t WHERE b IS NULL"), "2");
    }
}

#[test]
fn a_failure_after_the_rows_changes_nothing() {
    let twice = "age\n1\n1\n";
    let sql = "CREATE TABLE t (a); INSERT INTO t SELECT age FROM input; CREATE UNIQUE INDEX by_a ON t (a)";
    for options in [&[][..], &["--writer", "statements"]] {
        let dir = TestDir::with_pipeline(twice, sql);
        let before = dir.snapshot();
        let run = [&["run-pipeline", "people.sql", "--on-error", "abort"], options].concat();
        dir.run(&run).expect_code(1).assert_single_message(&["UNIQUE constraint failed"]);
        dir.assert_unchanged(&before);
        dir.database().execute_batch("CREATE TABLE t (old); CREATE TABLE v (x)").unwrap();
        let before = dir.snapshot();
        dir.run(&run).expect_code(1);
        dir.assert_unchanged(&before);
    }
    let dir = TestDir::with_pipeline(
        TWO_PEOPLE,
        "DROP TABLE IF EXISTS t; CREATE TABLE t (a); INSERT INTO t SELECT age FROM input; CREATE VIEW v AS SELECT 1",
    );
    dir.database().execute_batch("CREATE TABLE t (old); CREATE TABLE v (x)").unwrap();
    let before = dir.snapshot();
    dir.run(&["run-pipeline", "people.sql"]).expect_code(1).assert_single_message(&["people.db", "v"]);
    dir.assert_unchanged(&before);
}

#[test]
fn unassigned_columns_have_their_default() {
    let insert = "INSERT INTO t (name) SELECT first_name FROM input";
    assert_same_as_sqlite(
        &format!("CREATE TABLE t (x, id INTEGER PRIMARY KEY, name, y INT DEFAULT 7); {insert}"),
        PEOPLE,
    );
    // Columns without a default do not prevent the direct path.
    let dir = TestDir::with_pipeline(
        TWO_PEOPLE,
        &format!("CREATE TABLE t (x, id INTEGER PRIMARY KEY, name); {insert}"),
    );
    let outcome = dir.run(&["run-pipeline", "people.sql"]).expect_code(0);
    assert!(outcome.stderr.contains("direct writer"), "{}", outcome.stderr);
    assert_eq!(dir.query("SELECT group_concat(id || name || typeof(x)) FROM t"), "1Adanull,2Alannull");
}

#[test]
fn filtered_records_are_counted() {
    assert_same_as_sqlite(
        "CREATE TABLE t (a, b INTEGER); INSERT INTO t SELECT last_name, age FROM input AS i
        WHERE i.age > '2' AND (input.first_name LIKE 'a%' OR age = '-7')"
            .replace("input.f", "f")
            .as_str(),
        PEOPLE,
    );
    let sql =
        "DROP TABLE IF EXISTS t; CREATE TABLE t (a); INSERT INTO t SELECT age FROM input WHERE age = '41'";
    let dir = TestDir::with_pipeline(TWO_PEOPLE, sql);
    for options in [&[][..], &["--writer", "statements"]] {
        let run = [&["run-pipeline", "people.sql", "--report", "-"], options].concat();
        let outcome = dir.run(&run).expect_code(0);
        assert!(outcome.stderr.contains("read 2 records: 1 loaded, 0 rejected, 1 filtered"), "{outcome:?}");
        assert!(outcome.stdout.contains("\"filtered\": 1,"), "{}", outcome.stdout);
        assert_eq!(dir.query("SELECT group_concat(a) FROM t"), "41");
    }
}

#[test]
fn a_record_with_a_failing_expression_is_rejected() {
    let csv = "x\n{}\nnix\n[1]\n";
    let sql = "DROP TABLE IF EXISTS t; CREATE TABLE t (a); INSERT INTO t SELECT json_type(x) FROM input";
    let dir = TestDir::with_pipeline(csv, sql);
    for options in [&[][..], &["--writer", "statements"]] {
        let run = [&["run-pipeline", "people.sql", "--rejects", "bad.csv"], options].concat();
        let outcome = dir.run(&run).expect_code(3);
        assert_contains(
            &outcome.stderr,
            ["line 3 (record 2", "\"a\"", "malformed JSON", "2 loaded, 1 rejected"],
        );
        assert_eq!(dir.query("SELECT group_concat(a) FROM t"), "object,array");
        assert_eq!(dir.read("bad.csv"), b"x\nnix\n");
    }
    let before = dir.snapshot();
    let abort = ["run-pipeline", "people.sql", "--on-error", "abort"];
    dir.run(&abort).expect_code(1).assert_single_message(&[
        "people.csv: line 3 (record 2",
        "malformed JSON",
        "--on-error skip",
    ]);
    dir.assert_unchanged(&before);
}

#[test]
fn null_options_apply_to_pipelines() {
    let dir = TestDir::with_pipeline(
        "a,b\n,NA\n\"\",-\nx,y\n",
        "DROP TABLE IF EXISTS t; CREATE TABLE t (a, b); INSERT INTO t SELECT * FROM input",
    );
    let cases: [(&[&str], &str); 3] = [
        (&[], "'','NA' '','-' 'x','y'"),
        (&["--empty-null"], "NULL,'NA' '','-' 'x','y'"),
        (&["--null", "NA", "--null", "-"], "'',NULL '',NULL 'x','y'"),
    ];
    for (options, expected) in cases {
        dir.run(&[&["run-pipeline", "people.sql"], options].concat()).expect_code(0);
        let rows = "SELECT group_concat(quote(a) || ',' || quote(b), ' ') FROM t";
        assert_eq!(dir.query(rows), expected, "{options:?}");
    }
}
