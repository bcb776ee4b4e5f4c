//! Shared by the tests of the command line: a directory to work in, the program as a child process, and a naive reference
//! for the people table.

mod process;

pub(crate) use self::process::{Outcome, Running};
pub(crate) use crate::twin::rows_of;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// An input that is sufficient for most tests.
pub(crate) const TWO_PEOPLE: &str = "first_name,last_name,age\nAda,Lovelace,36\nAlan,Turing,41\n";

/// The expected declaration of the table.
const PEOPLE_SQL: &str =
    "CREATE TABLE people (id BLOB PRIMARY KEY, first_name TEXT, last_name TEXT, age INTEGER, email TEXT)";

/// A header and `rows` records.
pub(crate) fn people_csv(rows: usize) -> String {
    format!("first_name,last_name,age\n{}", "Grace,Hopper,85\n".repeat(rows))
}

/// The temporary directory of a test. Most tests load `people.csv` into `people.db`.
pub(crate) struct TestDir(TempDir);

impl TestDir {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn with_input(csv: impl AsRef<[u8]>) -> Self {
        let dir = Self::new();
        dir.write("people.csv", csv);
        dir
    }

    /// A directory with an input, and a database created by `sql`.
    pub(crate) fn with_database(csv: impl AsRef<[u8]>, sql: &str) -> Self {
        let dir = Self::with_input(csv);
        dir.database().execute_batch(sql).unwrap();
        dir
    }

    /// A directory with an input, and a pipeline `people.sql`.
    pub(crate) fn with_pipeline(csv: &str, sql: &str) -> Self {
        let dir = Self::with_input(csv);
        dir.write("people.sql", sql);
        dir
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The reasons stored next to the rejects in `name`.
    #[track_caller]
    pub(crate) fn reasons(&self, name: &str) -> Vec<serde_json::Value> {
        let lines = String::from_utf8(self.read(&format!("{name}.reasons.jsonl"))).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The names of its entries, sorted.
    pub(crate) fn file_names(&self) -> Vec<String> {
        let entries = self.0.path().read_dir().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The total size of its files.
    pub(crate) fn total_bytes(&self) -> u64 {
        let entries = self.0.path().read_dir().unwrap();
        // A file may disappear while the directory is read.
        entries.filter_map(|entry| entry.unwrap().metadata().ok()).map(|metadata| metadata.len()).sum()
    }

    /// The names of its entries, and the bytes of those that are files.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let bytes_of = |name: &String| {
            let path = self.path(name);
            path.symlink_metadata().unwrap().is_file().then(|| std::fs::read(path).unwrap())
        };
        self.file_names().into_iter().map(|name| (name.clone(), bytes_of(&name))).collect()
    }

    /// A command that runs the program in this directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sqload"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        Running::start(self.command(arguments)).wait()
    }

    pub(crate) fn load_command(&self, options: &[&str]) -> Command {
        self.command(&[&["run-pipeline", "-i", "people.csv", "--database", "people.db"], options].concat())
    }

    /// Loads `people.csv` into `people.db`.
    pub(crate) fn load(&self, options: &[&str]) -> Outcome {
        Running::start(self.load_command(options)).wait()
    }

    /// Like [`TestDir::load`], from a shell that runs `setup` first: `umask`, `ulimit`, `trap`.
    pub(crate) fn load_after_setup(&self, setup: &str, options: &[&str]) -> Outcome {
        let load = self.load_command(options);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{setup}; exec \"$0\" \"$@\"")]).arg(load.get_program());
        shell.args(load.get_args()).current_dir(self.0.path());
        Running::start(shell).wait()
    }

    /// Asserts that a load fails with a single message that contains all `parts`, and leaves every file unchanged.
    #[track_caller]
    pub(crate) fn assert_load_fails(&self, options: &[&str], parts: &[&str]) {
        let before = self.snapshot();
        let outcome = self.load(options).expect_code(1);
        outcome.assert_single_message(parts);
        self.assert_unchanged(&before);
    }

    #[track_caller]
    pub(crate) fn assert_unchanged(&self, before: &BTreeMap<String, Option<Vec<u8>>>) {
        assert_eq!(
            self.file_names(),
            before.keys().cloned().collect::<Vec<_>>(),
            "files were created or deleted"
        );
        let changed: Vec<_> =
            self.snapshot().into_iter().filter(|(name, now)| before[name] != *now).collect();
        assert!(changed.is_empty(), "{} changed", changed[0].0);
    }

    /// Opens the database `name`, and creates it if it does not exist.
    #[track_caller]
    pub(crate) fn open(&self, name: &str) -> Connection {
        Connection::open(self.path(name)).unwrap()
    }

    pub(crate) fn database(&self) -> Connection {
        self.open("people.db")
    }

    /// The only value that `sql` returns for `people.db`, as text.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> String {
        query(&self.database(), sql)
    }

    /// Asserts that `people.db` is intact and equals a naive load of `csv`.
    #[track_caller]
    pub(crate) fn assert_holds(&self, csv: impl AsRef<[u8]>) {
        self.assert_holds_as_parsed_by(csv, &csv::ReaderBuilder::new());
    }

    /// Like [`TestDir::assert_holds`], with the dialect of `csv`.
    #[track_caller]
    pub(crate) fn assert_holds_as_parsed_by(&self, csv: impl AsRef<[u8]>, dialect: &csv::ReaderBuilder) {
        let database = self.database();
        assert_eq!(query(&database, "PRAGMA integrity_check"), "ok");
        assert_eq!(table(&database), table(&reference(csv.as_ref(), dialect)));
    }
}

/// Whether everything that was written to a pipe has been read.
pub(crate) fn is_drained(pipe: impl AsFd) -> bool {
    rustix::io::ioctl_fionread(pipe).unwrap() == 0
}

/// The only value that `sql` returns, as text.
#[track_caller]
pub(crate) fn query(connection: &Connection, sql: &str) -> String {
    let value = connection.query_row(sql, [], |row| row.get(0));
    match value.unwrap_or_else(|error| panic!("{sql}: {error}")) {
        Value::Text(text) => text,
        Value::Integer(integer) => integer.to_string(),
        other => panic!("{sql} yields {other:?}"),
    }
}

/// The declared columns of the table `people`, and its rows in order with types, without the keys.
#[derive(Debug, PartialEq)]
struct Table {
    columns: Vec<Vec<Value>>,
    rows: Vec<Vec<Value>>,
}

fn table(connection: &Connection) -> Table {
    let columns = "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('people')";
    let rows = "SELECT rowid, typeof(first_name), first_name, typeof(last_name), last_name,
        typeof(age), age, typeof(email), email FROM people ORDER BY rowid";
    Table { columns: rows_of(connection, columns), rows: rows_of(connection, rows) }
}

/// The people table, read by the csv crate and inserted with one prepared statement.
fn reference(csv: &[u8], dialect: &csv::ReaderBuilder) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&format!("{PEOPLE_SQL}; BEGIN")).unwrap();
    let mut insert = connection.prepare("INSERT INTO people VALUES (NULL, ?, ?, ?, ?)").unwrap();
    let mut reader = dialect.from_reader(csv);
    let header = reader.headers().unwrap().clone();
    for record in reader.records() {
        let record = record.unwrap();
        let field = |name| &record[header.iter().position(|column| column == name).unwrap()];
        let (first_name, last_name) = (field("first_name"), field("last_name"));
        let age = field("age").parse::<i64>().unwrap_or(0);
        let email = format!("{first_name}.{last_name}_{age}@somemail.com");
        insert.execute((first_name, last_name.to_uppercase(), age, email)).unwrap();
    }
    drop(insert);
    connection
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Asserts that `output` contains all `parts`.
#[track_caller]
pub(crate) fn assert_contains<'p>(output: &str, parts: impl IntoIterator<Item = &'p str>) {
    for part in parts {
        assert!(output.contains(part), "{part:?} is not in {output:?}");
    }
}

/// Loads `csv` with these options and each writer, and passes the database to `check`.
pub(crate) fn load_with_each_writer(
    csv: &str,
    options: &[&str],
    code: i32,
    check: impl Fn(&Connection, &TestDir),
) {
    let dir = TestDir::new();
    dir.write("in.csv", csv);
    for writer in ["direct", "statements"] {
        let load = ["load", "in.csv", "out.db", "-t", "t", "--verify", "--writer", writer];
        dir.run(&[&load[..], options].concat()).expect_code(code);
        check(&dir.open("out.db"), &dir);
        std::fs::remove_file(dir.path("out.db")).unwrap();
    }
}
