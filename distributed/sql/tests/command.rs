//! The command, run as a program. SQLite computes the same queries as the oracle.

use rusqlite::Connection;
use rusqlite::types::Value;
use sqload::shards::Manifest;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sqload-sql");

struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM).args(arguments).current_dir(self.0.path()).output().unwrap()
    }

    /// Runs the program, which succeeds. Returns what it tells the user.
    #[track_caller]
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && output.stdout.is_empty(), "{text}");
        text
    }

    /// Runs the program, which fails with this exit code and message.
    #[track_caller]
    fn fail(&self, arguments: &[&str], code: i32, message: &str) {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(message), "{text}");
    }

    /// The rows of a table in a database, in the order of their rowids.
    #[track_caller]
    fn rows(&self, database: &str, sql: &str) -> Vec<Vec<Value>> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        rows(&Connection::open_with_flags(self.path(database), flags).unwrap(), sql)
    }

    fn names(&self) -> Vec<String> {
        let entries = self.0.path().read_dir().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn rows(database: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = database.prepare(sql).unwrap();
    let width = statement.column_count();
    let values = |row: &rusqlite::Row<'_>| (0..width).map(|at| row.get(at)).collect();
    statement.query_map([], values).unwrap().map(Result::unwrap).collect()
}

const SALES: &str = "Id;City;Amount;Zip\n1;Paris;10;007\n2;Oslo;2.5;12\n3;Paris;-4;\n4;;8;99\n";

#[test]
fn a_query_over_csv_becomes_a_table() {
    let dir = Dir::new();
    dir.write("sales.csv", SALES);
    let sql = "SELECT City, count(*) AS sales, SUM(Amount) AS total FROM 'sales.csv' GROUP BY City ORDER BY total DESC";
    let text = dir.succeed(&[sql, "totals.db", "--pk", "total", "--index", "City,sales"]);
    assert!(text.contains("3 loaded"), "{text}");
    let oracle = Connection::open_in_memory().unwrap();
    oracle
        .execute_batch("CREATE TABLE s (City TEXT, Amount REAL); INSERT INTO s VALUES ('Paris', 10), ('Oslo', 2.5), ('Paris', -4), (NULL, 8)")
        .unwrap();
    let expected = "SELECT City, count(*), sum(Amount) AS total FROM s GROUP BY City ORDER BY total DESC";
    assert_eq!(dir.rows("totals.db", "SELECT * FROM totals"), rows(&oracle, expected));
    let schema = dir.rows("totals.db", "SELECT group_concat(sql) FROM sqlite_schema");
    let schema = format!("{schema:?}").replace('\\', "");
    assert!(
        schema.contains("PRIMARY KEY (\"total\")") && schema.contains("(\"City\", \"sales\")"),
        "{schema}"
    );
}

#[test]
fn columns_have_the_types_that_preserve_their_values() {
    let dir = Dir::new();
    dir.write("sales.csv", SALES);
    dir.succeed(&["SELECT * FROM 'sales.csv'", "out.db", "-t", "t", "-q"]);
    let types = "SELECT typeof(Id), typeof(City), typeof(Amount), typeof(Zip), Zip FROM t WHERE Id = 1";
    let text = |text: &str| Value::Text(text.to_owned());
    assert_eq!(
        dir.rows("out.db", types),
        [[text("integer"), text("text"), text("real"), text("text"), text("007")]]
    );
    dir.succeed(&["SELECT Id FROM 'sales.csv' ORDER BY Amount", "out.db", "-t", "t", "--replace", "-j", "4"]);
    let order = [3, 2, 4, 1].map(|id| vec![Value::Integer(id)]);
    assert_eq!(dir.rows("out.db", "SELECT Id FROM t ORDER BY rowid"), order);
    dir.succeed(&["SELECT Id FROM 'sales.csv'", "out.db", "-t", "t", "--replace", "--text"]);
    assert_eq!(dir.rows("out.db", "SELECT DISTINCT typeof(Id) FROM t"), [[text("text")]]);
}

#[test]
fn inputs_have_names_and_formats() {
    let dir = Dir::new();
    dir.write("a-1.csv", "k,v\n1,\"two\nlines, \"\"quoted\"\"\"\n");
    dir.write("a-2.csv", "k,v\n2,x\n");
    dir.write("b.jsonl", "{\"k\": 1, \"w\": 1.5}\n{\"k\": 2, \"w\": null, \"late\": true}\n");
    let parquet = "SELECT k, w, late FROM b";
    dir.fail(
        &[&format!("COPY ({parquet}) TO 'b.parquet'"), "--input", "b=b.jsonl"],
        2,
        "COPY needs STORED AS SQLITE",
    );
    let sql = "SELECT a.k, v, w, late FROM a JOIN b ON a.k = b.k ORDER BY 1";
    dir.succeed(&["--input", "a=a-*.csv", "--input", "b=b.jsonl", sql, "out.db", "-t", "t"]);
    let text = |text: &str| Value::Text(text.to_owned());
    let expected = [
        vec![Value::Integer(1), text("two\nlines, \"quoted\""), Value::Real(1.5), Value::Null],
        vec![Value::Integer(2), text("x"), Value::Null, Value::Integer(1)],
    ];
    assert_eq!(dir.rows("out.db", "SELECT * FROM t"), expected);
    dir.fail(&["SELECT * FROM 'missing.csv'", "x.db"], 1, "cannot read missing.csv: ");
    dir.fail(&["SELECT * FROM 'a.xlsx'", "x.db"], 2, "the name of \"a.xlsx\" does not tell its format");
    dir.fail(&["SELECT * FROM nowhere", "x.db"], 1, "nowhere");
    dir.fail(&["--input", "a", "SELECT 1", "x.db"], 2, "expected NAME=PATH");
}

#[test]
fn copy_writes_shards() {
    let dir = Dir::new();
    dir.write("sales.csv", SALES);
    let sql = "COPY (SELECT * FROM 'sales.csv') TO 'out/' STORED AS SQLITE PARTITIONED BY (City) OPTIONS (table sales)";
    assert_eq!(dir.succeed(&[sql]), "4 rows\n");
    let manifest = Manifest::read(dir.path("out/manifest.json")).unwrap();
    let paths: Vec<_> = manifest.shards.iter().map(|shard| (shard.path.as_str(), shard.rows)).collect();
    let expected = [
        ("City=__HIVE_DEFAULT_PARTITION__/data.sqlite", 1),
        ("City=Oslo/data.sqlite", 1),
        ("City=Paris/data.sqlite", 2),
    ];
    assert_eq!(paths, expected);
    dir.fail(&[sql], 1, "already contains shards; use OPTIONS (replace true)");
    dir.fail(&[sql, "x.db"], 2, "leave out the database");
}

#[test]
fn statements_that_fail_change_nothing() {
    let dir = Dir::new();
    dir.write("sales.csv", SALES);
    for (arguments, code, message) in [
        (&["SELECT 1"][..], 2, "name the database"),
        (&["DROP TABLE x", "out.db"], 2, "expected a SELECT or COPY statement"),
        (&["SELEC 1", "out.db"], 1, "SELEC"),
        (&["SELECT Nothing FROM 'sales.csv'", "out.db"], 1, "Nothing"),
        (&["SELECT Id / (Id - 3) FROM 'sales.csv'", "out.db"], 1, "Divide by zero"),
        (
            &[
                "SELECT City FROM 'sales.csv' UNION ALL SELECT City FROM 'sales.csv'",
                "out.db",
                "--pk",
                "City",
            ],
            1,
            "UNIQUE",
        ),
        (&["SELECT 1", "out.db", "--append", "--replace"], 2, "cannot be used with"),
        (&["COPY (SELECT 1) TO 'x/' STORED AS SQLITE", "--pk", "a"], 2, "<DATABASE>"),
    ] {
        dir.fail(arguments, code, message);
        assert_eq!(dir.names(), ["sales.csv"], "{arguments:?}");
    }
    dir.succeed(&["SELECT 1 AS a", "out.db"]);
    dir.fail(&["SELECT 2 AS a", "out.db"], 1, "already");
    dir.succeed(&["SELECT 2 AS a", "out.db", "--append"]);
    assert_eq!(dir.rows("out.db", "SELECT a FROM out"), [[Value::Integer(1)], [Value::Integer(2)]]);
}

/// A query over enough rows to run for a while.
fn long_query() -> String {
    "SELECT a.value AS c, b.value AS n FROM range(100000) AS a, range(100000) AS b".to_owned()
}

fn wait_until(child: &mut Child, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(child.try_wait().unwrap().is_none(), "the program has ended");
        assert!(start.elapsed() < Duration::from_secs(60), "waited for a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_interrupted_program_removes_what_it_has_written() {
    for (sql, database) in [
        (long_query(), Some("out.db")),
        (format!("COPY ({}) TO 'out/' STORED AS SQLITE", long_query()), None),
    ] {
        let dir = Dir::new();
        let mut command = Command::new(PROGRAM);
        command.arg(&sql).args(database).current_dir(dir.0.path()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        wait_until(&mut child, || !dir.names().is_empty());
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "sqload-sql: interrupted\n");
        let left: Vec<_> =
            dir.names().iter().flat_map(|name| dir.path(name).read_dir().ok()).flatten().collect();
        assert!(left.is_empty() && !dir.path("out.db").exists(), "{left:?}");
    }
}

#[test]
fn a_full_disk_fails_the_statement_and_keeps_the_old_shards() {
    let dir = Dir::new();
    let copy = |query: &str, options: &str| format!("COPY ({query}) TO 'out/' STORED AS SQLITE {options}");
    dir.succeed(&[&copy("SELECT 1 AS c", "OPTIONS (table t)")]);
    let before = std::fs::read(dir.path("out/manifest.json")).unwrap();
    let large = copy("SELECT value AS c FROM range(1000000)", "OPTIONS (table t, replace true)");
    let script = "ulimit -f 1024; exec \"$0\" \"$1\"";
    let output =
        Command::new("sh").args(["-c", script, PROGRAM, &large]).current_dir(dir.0.path()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(std::fs::read(dir.path("out/manifest.json")).unwrap(), before);
    assert_eq!(dir.rows("out/data.sqlite", "SELECT c FROM t"), [[Value::Integer(1)]]);
    assert!(!dir.path("out/_staging").exists());
}
