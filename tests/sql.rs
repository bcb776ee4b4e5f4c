//! Pipelines in SQL: what their statements mean, which SQLite says itself, and what is refused.

mod common;

use common::{FEW, Place, query, rows_of};
use rusqlite::Connection;
use rusqlite::types::Value;

const PEOPLE: &str =
    "first_name,last_name,age\nAda,Lovelace,36\nAlan,Turing,041\n,\"\",1.5\n\"a\nb\",O'Hara,-7\n";

/// SQLite itself: the script over a table `input` of texts.
fn sqlite(script: &str, csv: &str) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names: Vec<_> = reader.headers().unwrap().iter().map(|name| format!("\"{name}\" TEXT")).collect();
    connection.execute_batch(&format!("CREATE TABLE input ({})", names.join(","))).unwrap();
    let places = vec!["?"; names.len()].join(",");
    for record in reader.records() {
        let record = record.unwrap();
        let insert = format!("INSERT INTO input VALUES ({places})");
        connection.execute(&insert, rusqlite::params_from_iter(record.iter())).unwrap();
    }
    connection.execute_batch(script).unwrap();
    connection.execute_batch("DROP TABLE input").unwrap();
    connection
}

/// All that is in a database, but for statistics: declarations as they are written, and rows with types.
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

/// Runs `script` over `csv` in all ways, and compares what it makes with what SQLite makes of it.
#[track_caller]
fn is_as_sqlite(script: &str, csv: &str) {
    let expected = content(&sqlite(script, csv));
    for options in [&["-j", "1"][..], &["-j", "3", "--writer", "statements"]] {
        let place = Place::empty();
        place.write("people.csv", csv);
        place.write("people.sql", script);
        place.run(&[&["run-pipeline", "people.sql"], options].concat()).expect(0);
        assert_eq!(query(&place.database(), "PRAGMA integrity_check"), "ok");
        assert_eq!(content(&place.database()), expected, "{options:?}");
    }
}

#[test]
fn tables_are_what_sqlite_makes_of_them() {
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
        is_as_sqlite(&script, PEOPLE);
    }
}

#[test]
fn names_and_columns_are_found_as_sqlite_finds_them() {
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
        is_as_sqlite(&format!("CREATE TABLE t (a, b, c);\r\n{insert}"), PEOPLE);
    }
}

#[test]
fn indexes_and_views_are_made_behind_the_rows() {
    is_as_sqlite(
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
fn people_in_a_file_are_the_built_in_people() {
    let place = Place::with_input(FEW);
    place.write("people.sql", sqload::people::SQL);
    for options in [&[][..], &["--writer", "statements"]] {
        place.run(&[&["run-pipeline", "people.sql"], options].concat()).expect(0);
        place.holds(FEW);
        assert_eq!(place.names(), ["people.csv", "people.db", "people.sql"]);
    }
    place.run(&["run-pipeline", "people.sql", "--id", "v4"]).expect(2);
}

#[test]
fn inputs_and_the_database_are_called_as_the_pipeline_if_nothing_is_said() {
    let place = Place::empty();
    std::fs::create_dir(place.path("jobs")).unwrap();
    place.write("jobs/ages.sql", "CREATE TABLE ages (age INT); INSERT INTO ages SELECT age FROM input");
    place.write("jobs/ages.csv", "age\n1\n");
    place.write("a.csv", "x,age\n0,2\n");
    place.write("b.csv", "AGE\n3\n");
    let ages = |path: &str| {
        let database = Connection::open(place.path(path)).unwrap();
        query(&database, "SELECT group_concat(age) FROM (SELECT age FROM ages ORDER BY rowid)")
    };
    place.run(&["run-pipeline", "jobs/ages.sql"]).expect(0);
    assert_eq!(ages("jobs/ages.db"), "1");
    place.run(&["run-pipeline", "jobs/ages.sql", "-i", "a.csv", "--input", "b.csv"]).expect(0);
    assert_eq!(ages("jobs/ages.db"), "2,3");
    place.run(&["run-pipeline", "jobs/ages.sql", "--database", "other.db"]).expect(0);
    assert_eq!((ages("other.db").as_str(), ages("jobs/ages.db").as_str()), ("1", "2,3"));
    place.run(&["run-pipeline", "none.sql"]).expect(1).says_once(&["cannot read none.sql", "No such file"]);
}

/// A place whose `people.sql` has this text.
fn with_pipeline(csv: &str, sql: &str) -> Place {
    let place = Place::with_input(csv);
    place.write("people.sql", sql);
    place
}

#[test]
fn tables_and_views_that_are_there_are_replaced_and_all_else_stays() {
    let place = with_pipeline(
        FEW,
        "CREATE TABLE t (a); INSERT INTO t SELECT age FROM input;
        CREATE INDEX by_a ON t (a); CREATE VIEW v AS SELECT max(a) FROM t; ANALYZE t",
    );
    let writers = ["direct", "direct", "statements"];
    for (run, writer) in writers.iter().enumerate() {
        if run == 2 {
            place.database().execute_batch("CREATE TABLE other (x); INSERT INTO other VALUES (1)").unwrap();
        }
        place.write("people.csv", format!("age\n{run}\n"));
        let outcome = place.run(&["run-pipeline", "people.sql"]).expect(0);
        assert!(outcome.stderr.contains(&format!("{writer} writer")), "{run}: {}", outcome.stderr);
        assert_eq!(place.query("SELECT * FROM v"), run.to_string());
        assert_eq!(place.query("SELECT count(*) FROM t INDEXED BY by_a"), "1");
    }
    assert_eq!(place.query("SELECT x FROM other"), "1");
}

#[test]
fn a_table_that_may_exist_is_filled_further() {
    let place = with_pipeline(
        FEW,
        "CREATE TABLE IF NOT EXISTS t (a INTEGER, b DEFAULT 'x'); INSERT INTO t (a) SELECT age FROM input;
        CREATE INDEX IF NOT EXISTS by_a ON t (a); CREATE VIEW IF NOT EXISTS v AS SELECT sum(a) FROM t",
    );
    for sum in ["77", "154", "231"] {
        place.run(&["run-pipeline", "people.sql"]).expect(0);
        assert_eq!(place.query("SELECT * FROM v"), sum);
    }
    assert_eq!(place.query("SELECT group_concat(DISTINCT b) FROM t"), "x");
}

#[test]
fn what_fails_behind_the_rows_changes_nothing() {
    let twice = "age\n1\n1\n";
    let sql = "CREATE TABLE t (a); INSERT INTO t SELECT age FROM input; CREATE UNIQUE INDEX by_a ON t (a)";
    for options in [&[][..], &["--writer", "statements"]] {
        let place = with_pipeline(twice, sql);
        let before = place.snapshot();
        let run = [&["run-pipeline", "people.sql", "--on-error", "abort"], options].concat();
        place.run(&run).expect(1).says_once(&["UNIQUE constraint failed"]);
        place.is_as(&before);
        place.database().execute_batch("CREATE TABLE t (old); CREATE TABLE v (x)").unwrap();
        let before = place.snapshot();
        place.run(&run).expect(1);
        place.is_as(&before);
    }
    let place = with_pipeline(
        FEW,
        "CREATE TABLE t (a); INSERT INTO t SELECT age FROM input; CREATE VIEW v AS SELECT 1",
    );
    place.database().execute_batch("CREATE TABLE t (old); CREATE TABLE v (x)").unwrap();
    let before = place.snapshot();
    place.run(&["run-pipeline", "people.sql"]).expect(1).says_once(&["people.db", "v"]);
    place.is_as(&before);
}

/// Pipelines, and what is said of each behind the name of the file.
const REFUSED: [(&str, &str); 58] = [
    ("", "line 1, column 1: CREATE TABLE is missing"),
    ("-- nothing\n;", "line 2, column 1: CREATE TABLE is missing"),
    ("CREATE TABLE t (a);\n", "line 1, column 20: INSERT INTO ... SELECT ... FROM input is missing"),
    ("INSERT INTO t SELECT 1 FROM input", "line 1, column 1: a pipeline begins with CREATE TABLE"),
    ("CREATE TABLE t (a);\n CREATE TABLE u (a)", "line 2, column 2: a pipeline makes one table"),
    ("CREATE TABLE t (a); CREATE INDEX i ON t (a)", "line 1, column 21: this comes behind INSERT"),
    ("T; INSERT INTO t SELECT 2 FROM input", "column 56: a pipeline has one INSERT"),
    ("CREATE TEMP TABLE t (a)", "line 1, column 1: CREATE TEMP TABLE is not part of a pipeline: "),
    ("CREATE TEMPORARY TABLE t (a)", "CREATE TEMPORARY TABLE is not part of a pipeline: "),
    (
        "CREATE TABLE t AS SELECT 1",
        "CREATE TABLE is not part of a pipeline: the table of a pipeline is declared",
    ),
    ("CREATE TABLE IF NOT EXISTS main.t AS SELECT 1", "CREATE TABLE is not part of a pipeline: the table"),
    ("CREATE TABLE temp.t (a)", "line 1, column 1: nothing that stays in the database is made"),
    ("CREATE TABLE input (a)", "the table can not be called input"),
    ("CREATE TABLE sqlite_x (a)", "object name reserved for internal use: sqlite_x"),
    ("CREATE TABLE t (a,\n  b TEXT CHEK)", "line 2, column"),
    ("CREATE TABLE t (a, A)", "duplicate column name: A"),
    (
        "CREATE VIRTUAL TABLE t USING fts5(a)",
        "CREATE VIRTUAL TABLE is not part of a pipeline: it has CREATE TABLE, ",
    ),
    ("CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", "CREATE TRIGGER is not part of a pipeline: "),
    ("UPDATE t SET a = 1", "UPDATE is not part of a pipeline: "),
    ("DELETE FROM t", "DELETE is not part of a pipeline: "),
    ("DROP TABLE IF EXISTS t", "DROP is not part of a pipeline: the table and the views"),
    ("ALTER TABLE t ADD COLUMN b", "ALTER is not part of a pipeline: "),
    ("PRAGMA synchronous = OFF", "PRAGMA is not part of a pipeline: options say"),
    ("ATTACH 'x.db' AS x", "ATTACH is not part of a pipeline: a pipeline fills one database"),
    ("BEGIN", "BEGIN is not part of a pipeline: the whole pipeline is one transaction"),
    ("VACUUM", "VACUUM is not part of a pipeline: --vacuum does that"),
    ("EXPLAIN SELECT 1", "EXPLAIN is not part of a pipeline: --explain says"),
    ("SELECT * FROM input", "SELECT is not part of a pipeline: the rows go into the table by INSERT"),
    ("T; WITH x AS (SELECT 1) INSERT INTO t SELECT 1 FROM input", "WITH is not part of a pipeline"),
    ("REPLACE INTO t SELECT 1 FROM input", "REPLACE is not part of a pipeline: a row that breaks"),
    ("T; CREATE INDEX i ON t (b)", "column 77: no such column: b"),
    ("T; CREATE INDEX i ON other (b)", "no such table: main.other"),
    ("T; CREATE VIEW v AS SELEC 1", "line 1, column 73: near \"SELEC\": syntax error"),
    (
        "INSERT OR REPLACE INTO t SELECT 1 FROM input",
        "I INSERT OR ... and REPLACE are not part of a pipeline",
    ),
    ("INSERT INTO t SELECT 1 FROM input ON CONFLICT DO NOTHING", "I ON CONFLICT is not part of a pipeline"),
    ("INSERT INTO t SELECT 1 FROM input RETURNING a", "RETURNING is not part of a pipeline"),
    ("INSERT INTO t VALUES (1)", "not from VALUES"),
    (
        "INSERT INTO t DEFAULT VALUES",
        "the rows of a pipeline come from INSERT INTO ... SELECT ... FROM input",
    ),
    (
        "INSERT INTO other SELECT 1 FROM input",
        "column 13: the pipeline makes the table t, and this one is another",
    ),
    (
        "INSERT INTO t (ab) SELECT 1 FROM input",
        "column 16: the table t has no column \"ab\" that can be filled",
    ),
    ("INSERT INTO t (a, A) SELECT 1, 2 FROM input", "column 19: the column \"A\" is named twice"),
    ("INSERT INTO t SELECT 1, 2 FROM input", "column 15: 2 values for 1 columns of the table t"),
    ("INSERT INTO t SELECT age", "column 15: a pipeline selects FROM input"),
    (
        "INSERT INTO t SELECT age FROM people",
        "column 31: a pipeline selects FROM input, which is the CSV, not from people",
    ),
    ("INSERT INTO t SELECT age FROM input, input b", "column 38: a join is not part of a pipeline: "),
    ("INSERT INTO t SELECT age FROM input JOIN x USING (y)", "a join is not part of a pipeline: "),
    ("INSERT INTO t SELECT age FROM (SELECT 1 AS age)", "column 32: a subquery is not part of a pipeline: "),
    ("INSERT INTO t SELECT (SELECT 1) FROM input", "column 23: a subquery is not part of a pipeline: "),
    ("INSERT INTO t SELECT age FROM input WHERE age IN (SELECT 1)", "a subquery is not part of a pipeline: "),
    ("INSERT INTO t SELECT DISTINCT age FROM input", "column 15: DISTINCT is not part of a pipeline: "),
    (
        "INSERT INTO t SELECT age FROM input GROUP BY age HAVING 1",
        "column 46: GROUP BY is not part of a pipeline: ",
    ),
    ("INSERT INTO t SELECT age FROM input HAVING 1", "HAVING is not part of a pipeline: "),
    ("INSERT INTO t SELECT age FROM input ORDER BY age", "column 46: ORDER BY is not part of a pipeline: "),
    ("INSERT INTO t SELECT age FROM input LIMIT 3 OFFSET 1", "column 43: LIMIT is not part of a pipeline: "),
    (
        "INSERT INTO t SELECT age FROM input UNION ALL SELECT 1",
        "column 47: UNION is not part of a pipeline: ",
    ),
    ("INSERT INTO t SELECT age FROM input EXCEPT SELECT 1", "EXCEPT is not part of a pipeline: "),
    (
        "INSERT INTO t WITH x AS (SELECT 1) SELECT age FROM input",
        "column 15: WITH is not part of a pipeline: ",
    ),
    ("INSERT INTO t SELECT age FROM input;\n SELECT 'abc", "Unterminated string literal"),
];

#[test]
fn what_is_no_pipeline_is_refused_with_place_and_reason() {
    for (sql, expected) in REFUSED {
        let place = Place::with_input(FEW);
        let sql = match sql {
            _ if sql.starts_with("INSERT") && !expected.contains("begins with") => {
                format!("CREATE TABLE t (a);\n{sql}")
            }
            _ => sql.replace("T;", "CREATE TABLE t (a); INSERT INTO t SELECT 1 FROM input;"),
        };
        place.write("people.sql", &sql);
        println!("{sql}");
        let outcome = place.run(&["run-pipeline", "people.sql"]).expect(1);
        println!("{}", outcome.stderr);
        outcome.says_once(&["people.sql: line ", expected.trim_start_matches("I ")]);
        assert_eq!(place.names(), ["people.csv", "people.sql"]);
    }
}

#[test]
fn expressions_over_more_than_a_record_are_refused() {
    let cases = [
        ("count(*)", "count is an aggregate"),
        ("sum(age)", "sum is an aggregate"),
        ("1 + max(age)", "max is an aggregate"),
        ("upper(group_concat(age))", "group_concat is an aggregate"),
        ("count(*) FILTER (WHERE 1)", "count is an aggregate"),
        ("row_number() OVER ()", "row_number is a window function"),
        ("sum(age) OVER (PARTITION BY age)", "sum is a window function"),
        ("EXISTS (SELECT 1)", "a subquery"),
        ("other.age", "other.age is not a column of input"),
        (
            "agee",
            "no column \"agee\" in the header, which has: first_name, last_name, age; is \"age\" meant?",
        ),
        ("\"Last Name\"", "is \"last_name\" meant?"),
        ("zip", "no column \"zip\" in the header, which has: first_name, last_name, age"),
    ];
    for (expr, expected) in cases {
        let place =
            with_pipeline(FEW, &format!("CREATE TABLE t (a);\nINSERT INTO t SELECT\n  {expr} FROM input"));
        let outcome = place.run(&["run-pipeline", "people.sql"]).expect(1);
        outcome.says_once(&["people.sql: line 3, column ", expected]);
        assert_eq!(place.names(), ["people.csv", "people.sql"]);
    }
}

#[test]
fn fields_are_null_where_options_say_so() {
    let place =
        with_pipeline("a,b\n,NA\n\"\",-\nx,y\n", "CREATE TABLE t (a, b); INSERT INTO t SELECT * FROM input");
    let cases: [(&[&str], &str); 3] = [
        (&[], "'','NA' '','-' 'x','y'"),
        (&["--empty-null"], "NULL,'NA' '','-' 'x','y'"),
        (&["--null", "NA", "--null", "-"], "'',NULL '',NULL 'x','y'"),
    ];
    for (options, expected) in cases {
        place.run(&[&["run-pipeline", "people.sql"], options].concat()).expect(0);
        let rows = "SELECT group_concat(quote(a) || ',' || quote(b), ' ') FROM t";
        assert_eq!(place.query(rows), expected, "{options:?}");
    }
}
