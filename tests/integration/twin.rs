//! Two databases with the same rows, one written by the direct path and one by statements. The second is the oracle for
//! the first.

use rusqlite::Connection;
use rusqlite::types::{Value, ValueRef};
use sqload::batch::{
    self, Chunk, Nullable, Oddities, Repairs, RowOrigins, Rows, Span, Strings, TypeFeedback, Values,
};
use sqload::plan::{Column, Expr, Table};
use sqload::write::direct::{Direct, Encoded, PageFile, Schema, Sorting, WritableFile};
use sqload::write::statements::Statements;
use sqload::write::{Cause, Encoder, WriteFailure, Writer};
use sqload::{Error, Kind};
use std::fs::File;
use std::ops::Range;
use std::path::Path;

/// A table and its rows.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) page_bytes: u32,
    /// The encoding of TEXT in the database.
    pub(crate) encoding: &'static str,
    /// Name and declaration.
    pub(crate) columns: Vec<(String, String)>,
    /// Generated columns and constraints of the table.
    pub(crate) additions: Vec<String>,
    /// Whether the table is STRICT.
    pub(crate) is_strict: bool,
    /// The columns of the primary key of a WITHOUT ROWID table; empty for other tables.
    pub(crate) primary_key: String,
    /// The indexes of the columns that are loaded, in the order of the load; `None` for all in their order.
    pub(crate) loaded: Option<Vec<usize>>,
    /// Statements to run when the table is created.
    pub(crate) setup: Vec<String>,
    /// CREATE INDEX statements.
    pub(crate) indexes: Vec<String>,
    /// The rows of each chunk.
    pub(crate) chunks: Vec<Vec<Vec<Value>>>,
    /// The number of rejected records before each chunk.
    pub(crate) rejects: u64,
    pub(crate) lock_byte: u64,
    pub(crate) sorting: Sorting,
}

impl Case {
    /// A table `t` with these columns and rows, in chunks of `chunk_rows`.
    pub(crate) fn new(
        page_bytes: u32,
        columns: &[(&str, &str)],
        rows: Vec<Vec<Value>>,
        chunk_rows: usize,
    ) -> Self {
        Self {
            page_bytes,
            encoding: "UTF-8",
            columns: columns
                .iter()
                .map(|(name, declaration)| (name.to_string(), declaration.to_string()))
                .collect(),
            additions: Vec::new(),
            is_strict: false,
            primary_key: String::new(),
            loaded: None,
            setup: Vec::new(),
            indexes: Vec::new(),
            chunks: rows.chunks(chunk_rows).map(<[_]>::to_vec).collect(),
            rejects: 0,
            lock_byte: 1 << 30,
            sorting: Sorting { max_bytes: 1 << 30, jobs: 2 },
        }
    }

    pub(crate) fn index(mut self, sql: &str) -> Self {
        self.indexes.push(sql.to_owned());
        self
    }

    fn is_without_rowid(&self) -> bool {
        !self.primary_key.is_empty()
    }

    fn table(&self) -> Table {
        let column =
            |(name, declaration): &(String, String)| Column::new(name, declaration, Expr::Integer(0));
        let columns = match &self.loaded {
            Some(loaded) => loaded.iter().map(|at| column(&self.columns[*at])).collect(),
            None => self.columns.iter().map(column).collect(),
        };
        let mut table = Table::new("t", columns);
        table.indexes = self.indexes.clone();
        table
    }

    /// Creates a database with the empty table.
    fn create(&self, path: &Path) -> Connection {
        let connection = open(path);
        let declarations = self.columns.iter().map(|(name, declaration)| format!("\"{name}\" {declaration}"));
        let key = Some(format!("PRIMARY KEY ({})", self.primary_key)).filter(|_| self.is_without_rowid());
        let columns: Vec<_> = declarations.chain(self.additions.iter().cloned()).chain(key).collect();
        connection.pragma_update(None, "encoding", self.encoding).unwrap();
        connection.pragma_update(None, "page_size", self.page_bytes).unwrap();
        connection.pragma_update(None, "synchronous", "off").unwrap();
        let options = match (self.is_strict, self.is_without_rowid()) {
            (true, true) => "STRICT, WITHOUT ROWID",
            (true, false) => "STRICT",
            (false, true) => "WITHOUT ROWID",
            (false, false) => "",
        };
        connection.execute_batch(&format!("CREATE TABLE t ({}) {options}", columns.join(", "))).unwrap();
        self.setup.iter().for_each(|sql| connection.execute_batch(sql).unwrap());
        connection
    }

    /// Calls `take` with the rows of each of these chunks.
    fn each_chunk<E>(
        &self,
        chunks: Range<usize>,
        mut take: impl FnMut(&Rows<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut first_record = 0;
        for chunk in &self.chunks[chunks] {
            first_record += self.rejects;
            let data: Vec<_> = (0..self.loaded.as_ref().map_or(self.columns.len(), Vec::len))
                .map(|index| ColumnData::new(chunk.iter().map(|row| &row[index])))
                .collect();
            let forms: Vec<_> = data.iter().map(ColumnData::of_one_class).collect();
            let columns: Vec<_> =
                data.iter().zip(&forms).map(|(data, form)| data.column(form.as_ref())).collect();
            take(&Rows {
                filtered: 0,
                skipped: 0,
                len: chunk.len(),
                columns: &columns,
                chunk: Chunk { first_record, ..Chunk::default() },
                origins: RowOrigins::default(),
                texts: None,
                rejects: Vec::new(),
                type_feedback: TypeFeedback::default(),
                repairs: Repairs::default(),
                oddities: Oddities::default(),
            })?;
            first_record += chunk.len() as u64;
        }
        Ok(())
    }

    /// Writes a new database with the direct path.
    pub(crate) fn direct(&self, path: &Path) -> Result<(), WriteFailure> {
        self.direct_until(path, false)
    }

    /// Like [`Case::direct`]; if `is_stopped`, the load is interrupted before it finishes.
    pub(crate) fn direct_until(&self, path: &Path, is_stopped: bool) -> Result<(), WriteFailure> {
        let connection = self.create(path);
        self.indexes.iter().for_each(|sql| connection.execute_batch(sql).unwrap());
        let schema = Schema::read(&connection, &self.table()).unwrap().unwrap();
        connection.close().unwrap();
        let file = File::options().read(true).write(true).open(path).unwrap();
        let mut writer = Direct::with_lock_byte(
            schema,
            PageFile::new(file, path).with_cached_bytes(0),
            self.sorting,
            self.lock_byte,
        )?;
        let mut encoder = writer.encoder();
        let mut encoded = Encoded::default();
        self.each_chunk(0..self.chunks.len(), |rows| -> Result<(), WriteFailure> {
            encoder.encode(rows, &mut encoded);
            writer.append(rows, &mut encoded).map(drop)
        })?;
        let connection = open(path);
        Ok(execute_all(&connection, &writer.finish(&is_stopped.into())?)?)
    }

    /// Writes a new database with statements.
    pub(crate) fn statements(&self, path: &Path) -> Result<(), WriteFailure> {
        let connection = self.create(path);
        self.insert(&connection, path, &self.table(), 0..self.chunks.len())?;
        connection.close().unwrap();
        Ok(())
    }

    /// Inserts the rows of these chunks with statements, and completes the table.
    fn insert(
        &self,
        connection: &Connection,
        path: &Path,
        table: &Table,
        chunks: Range<usize>,
    ) -> Result<(), WriteFailure> {
        connection.execute_batch("BEGIN").unwrap();
        let mut writer = Statements::new(connection, path, table, 3)?;
        self.each_chunk(chunks, |rows| {
            let appended = writer.append(rows, &mut ())?;
            match appended.rejected.first() {
                None => Ok(()),
                Some((_, reason)) => Err(WriteFailure::Constraint {
                    message: reason.to_string(),
                    cause: Cause::Other,
                    rows: Vec::new(),
                }),
            }
        })?;
        let unfinished = writer.finish(&false.into())?;
        connection.execute_batch("COMMIT").unwrap();
        Ok(execute_all(connection, &unfinished)?)
    }

    /// Creates a database with another table, free pages, and the first chunks of the table and its indexes.
    fn create_existing(&self, path: &Path, chunks: usize) -> Connection {
        let connection = self.create(path);
        connection
            .execute_batch(
                "CREATE TABLE other (a, b);
                WITH n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300)
                INSERT INTO other SELECT n, zeroblob(n) FROM n; CREATE INDEX other_b ON other (b);
                CREATE TABLE gone AS SELECT * FROM other; DROP TABLE gone",
            )
            .unwrap();
        if self.insert(&connection, path, &self.table(), 0..chunks).is_err() {
            // An empty table will do.
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK").unwrap();
            }
            self.indexes.iter().for_each(|sql| connection.execute_batch(sql).unwrap());
        }
        self.setup.iter().for_each(|sql| connection.execute_batch(sql).unwrap());
        connection
    }

    /// Adds the rows of all chunks from `first_chunk` to a database that has the others, with the direct path. All pages are
    /// written through SQLite if the database is `in_log` mode.
    fn append(&self, path: &Path, first_chunk: usize, in_log: bool) -> Result<(), WriteFailure> {
        let connection = open(path);
        connection.pragma_update(None, "cache_size", 20).unwrap();
        connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let schema = Schema::read(&connection, &self.table()).unwrap().unwrap();
        connection
            .execute_batch(
                "INSERT INTO sqlite_dbpage (pgno, data) SELECT pgno, data FROM sqlite_dbpage WHERE pgno =
                (SELECT rootpage FROM sqlite_schema WHERE name = 't')",
            )
            .unwrap();
        connection.cache_flush().unwrap();
        let pages: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let file = WritableFile::from(File::options().read(true).write(true).open(path).unwrap());
        let end = (!in_log).then(|| (file.clone(), pages + 1));
        let mut writer = Direct::with_lock_byte(
            schema,
            PageFile::existing(&connection, path, end).with_cached_bytes(0),
            self.sorting,
            self.lock_byte,
        )?;
        let mut encoder = writer.encoder();
        let mut encoded = Encoded::default();
        let chunks = first_chunk..self.chunks.len();
        self.each_chunk(chunks, |rows| -> Result<(), WriteFailure> {
            encoder.encode(rows, &mut encoded);
            writer.append(rows, &mut encoded).map(drop)
        })?;
        let unfinished = writer.finish(&false.into())?;
        connection.execute_batch("SAVEPOINT pages; RELEASE pages").unwrap();
        connection.cache_flush().unwrap();
        connection.execute_batch("PRAGMA shrink_memory").unwrap();
        execute_all(&connection, &unfinished)?;
        // The transaction sees what was written behind SQLite's back.
        assert_eq!(rows_of(&connection, "PRAGMA integrity_check"), [[Value::Text("ok".into())]]);
        connection.execute_batch("COMMIT").unwrap();
        connection.close().unwrap();
        drop(file);
        Ok(())
    }

    /// Adds the rows of all chunks from `first_chunk` to two databases that have the others, and asserts that they are equal,
    /// before and after changes. Returns false if the direct path does not take the rows.
    #[track_caller]
    pub(crate) fn check_append(&self, first_chunk: usize, in_log: bool) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let [direct, statements] = ["direct.db", "statements.db"].map(|name| {
            let path = directory.path().join(name);
            let connection = self.create_existing(&path, first_chunk);
            if in_log {
                connection.pragma_update(None, "journal_mode", "wal").unwrap();
            }
            path
        });
        let before = std::fs::read(&direct).unwrap();
        let appended = self.append(&direct, first_chunk, in_log);
        let connection = open(&statements);
        let mut table = self.table();
        table.indexes.clear();
        let inserted = self.insert(&connection, &statements, &table, first_chunk..self.chunks.len());
        match (appended, inserted) {
            (Ok(()), Ok(())) => {
                let [direct, statements] = [direct, statements].map(open);
                assert_same_rows(&direct, &statements, "SELECT rowid, * FROM other ORDER BY rowid");
                self.compare_through_changes(&direct, &statements);
                true
            }
            (Err(WriteFailure::Unsupported { .. }), _) => false,
            (Err(WriteFailure::Constraint { .. } | WriteFailure::Error(_)), Err(_)) => {
                drop(connection);
                if !in_log {
                    // The next reader rolls back, if the connection has not.
                    rows_of(&open(&direct), "SELECT * FROM sqlite_schema");
                    assert_eq!(std::fs::read(&direct).unwrap(), before, "after a rollback");
                }
                true
            }
            (direct, statements) => panic!("direct: {direct:?}\nstatements: {statements:?}\n{self:#?}"),
        }
    }

    /// Writes both databases and asserts that they are equal, before and after changes.
    #[track_caller]
    pub(crate) fn check(&self) {
        let directory = tempfile::tempdir().unwrap();
        let [direct, statements] = ["direct.db", "statements.db"].map(|name| directory.path().join(name));
        match (self.direct(&direct), self.statements(&statements)) {
            (Ok(()), Ok(())) => self.compare(&direct, &statements),
            // If several constraints are violated, the errors may differ.
            (
                Err(WriteFailure::Constraint { message: direct, .. }),
                Err(WriteFailure::Constraint { message: statements, .. }),
            ) if [&direct, &statements].iter().all(|message| message.starts_with("cannot store ")) => {
                assert_eq!(direct, statements, "{self:#?}");
            }
            (Err(WriteFailure::Constraint { .. }), Err(_)) => {}
            (Err(WriteFailure::Error(direct)), Err(_))
                if matches!(direct.kind(), Kind::Sqlite { .. } | Kind::Verify(_)) => {}
            (direct, statements) => panic!("direct: {direct:?}\nstatements: {statements:?}\n{self:#?}"),
        }
    }

    #[track_caller]
    fn compare(&self, direct: &Path, statements: &Path) {
        assert_valid_header(direct, self.encoding);
        let [direct, statements] = [direct, statements].map(open);
        let copy = tempfile::tempdir().unwrap();
        let copy = copy.path().join("copy.db");
        direct.execute("VACUUM INTO ?", [copy.to_str()]).unwrap();
        let vacuumed = leaf_pages(&open(copy));
        for ((tree, pages), vacuumed) in leaf_pages(&direct).iter().zip(&vacuumed) {
            assert!(*pages <= vacuumed.1, "{tree} has {pages} leaves and after a VACUUM {vacuumed:?}");
        }
        self.compare_through_changes(&direct, &statements);
    }

    /// Asserts that two databases are equal, and stay equal when they are changed.
    #[track_caller]
    fn compare_through_changes(&self, direct: &Connection, statements: &Connection) {
        self.assert_same_content(direct, statements);
        for sql in self.changes() {
            let [direct, statements] = [direct, statements].map(|database| database.execute_batch(&sql));
            assert_eq!(
                direct.map_err(|error| error.to_string()),
                statements.map_err(|error| error.to_string()),
                "{sql}"
            );
        }
        self.assert_same_content(direct, statements);
        // VACUUM renumbers rowids that are not a column.
        [direct, statements].iter().for_each(|database| database.execute_batch("VACUUM").unwrap());
        self.assert_same_content(direct, statements);
    }

    /// Statements that change rows throughout the table, in the order of the table: that of an index may differ.
    fn changes(&self) -> Vec<String> {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let (last, all) = (&names[names.len() - 1], names.join(", "));
        let others = names[1..].iter().map(|name| format!(", {name}")).collect::<String>();
        let id = match self.is_without_rowid() {
            true => format!("abs(CAST({} AS INTEGER) % 1000003)", names[0]),
            false => "rowid".to_owned(),
        };
        vec![
            format!("DELETE FROM t WHERE {id} % 3 = 1"),
            format!(
                "UPDATE OR IGNORE t NOT INDEXED SET {last} = hex(zeroblob({id} % 700)) WHERE {id} % 5 = 2"
            ),
            format!("UPDATE OR IGNORE t NOT INDEXED SET {last} = {id} WHERE {id} % 7 = 3"),
            format!(
                "INSERT OR IGNORE INTO t ({all}) SELECT {id} + 1000000{others} FROM t NOT INDEXED WHERE {id} % 2 = 0"
            ),
            format!("DELETE FROM t WHERE {id} % 11 = 5"),
        ]
    }

    #[track_caller]
    fn assert_same_content(&self, direct: &Connection, statements: &Connection) {
        for database in [direct, statements] {
            assert_eq!(
                rows_of(database, "PRAGMA integrity_check"),
                [[Value::Text("ok".into())]],
                "{self:#?}"
            );
        }
        let (rowid, key) = match self.is_without_rowid() {
            true => ("", self.primary_key.as_str()),
            false => (", rowid", "rowid"),
        };
        let select = format!("SELECT *{rowid} FROM t NOT INDEXED ORDER BY {key}");
        assert_same_rows(direct, statements, &select);
        if self.columns.iter().any(|(_, declaration)| declaration.contains("AUTOINCREMENT")) {
            assert_same_rows(direct, statements, "SELECT rowid, * FROM sqlite_sequence");
        }
        for index in rows_of(direct, "SELECT name FROM pragma_index_list('t') WHERE NOT partial") {
            let Value::Text(index) = &index[0] else { panic!("{index:?}") };
            let keys = rows_of(
                direct,
                &format!(
                    "SELECT group_concat('\"' || name || '\"', ', '),
                    group_concat('\"' || name || '\" COLLATE ' || coll || iif(\"desc\", ' DESC', ''), ', ')
                    FROM pragma_index_xinfo('{index}') WHERE key AND name IS NOT NULL"
                ),
            );
            if let [Value::Text(values), Value::Text(keys)] = keys[0].as_slice() {
                assert_same_rows(
                    direct,
                    statements,
                    &format!("SELECT {values}{rowid} FROM t INDEXED BY \"{index}\" ORDER BY {keys}, {key}"),
                );
            }
        }
    }
}

/// Opens a database as a load does.
fn open(path: impl AsRef<Path>) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    // No test of this kind loses power.
    connection.pragma_update(None, "synchronous", "off").unwrap();
    connection
}

fn execute_all(connection: &Connection, unfinished: &[String]) -> Result<(), Error> {
    for sql in unfinished {
        connection.execute_batch(sql).map_err(|error| Kind::Verify(format!("{sql}: {error}")))?;
    }
    Ok(())
}

/// The values of a column of a chunk, in every representation that it may have. Those of a single class have something for each NULL.
struct ColumnData<'v> {
    values: Vec<batch::Value<'v>>,
    is_null: Vec<bool>,
    integers: Vec<i64>,
    reals: Vec<f64>,
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl<'v> ColumnData<'v> {
    fn new(values: impl Iterator<Item = &'v Value>) -> Self {
        let mut data = Self {
            values: values.map(borrowed).collect(),
            is_null: Vec::new(),
            integers: Vec::new(),
            reals: Vec::new(),
            bytes: Vec::new(),
            spans: Vec::new(),
        };
        for value in &data.values {
            data.is_null.push(*value == batch::Value::Null);
            match value {
                batch::Value::Integer(integer) => data.integers.push(*integer),
                batch::Value::Text(bytes) | batch::Value::Blob(bytes) => {
                    let start = data.bytes.len() as u32;
                    data.bytes.extend_from_slice(bytes);
                    data.spans.push(Span { start, end: data.bytes.len() as u32 });
                }
                batch::Value::Real(real) => data.reals.push(*real),
                batch::Value::Null => {
                    data.integers.push(7);
                    data.reals.push(7.5);
                    data.spans.push(Span { start: 0, end: 0 });
                }
            }
        }
        data
    }

    /// The values if those that are not NULL have the same class.
    fn of_one_class(&self) -> Option<Values<'_>> {
        let all = |is_one: fn(&batch::Value<'_>) -> bool| {
            self.values.iter().all(|value| *value == batch::Value::Null || is_one(value))
        };
        let strings = Strings { bytes: &self.bytes, spans: &self.spans };
        if all(|value| matches!(value, batch::Value::Integer(_))) {
            Some(Values::Integers(&self.integers))
        } else if all(|value| matches!(value, batch::Value::Real(_))) {
            Some(Values::Reals(&self.reals))
        } else if all(|value| matches!(value, batch::Value::Text(_))) {
            Some(Values::Texts(strings))
        } else if all(|value| matches!(value, batch::Value::Blob(_))) {
            Some(Values::Blobs(strings))
        } else {
            None
        }
    }

    /// The column in its most specific representation.
    fn column<'c>(&'c self, of_one_class: Option<&'c Values<'c>>) -> Values<'c> {
        if let [first, rest @ ..] = self.values.as_slice()
            && rest.iter().all(|value| value == first)
        {
            return Values::Constant(*first);
        }
        match of_one_class {
            Some(values) if self.is_null.contains(&true) => {
                Values::Nullable(Nullable { values, is_null: &self.is_null })
            }
            Some(values) => *values,
            None => Values::Mixed(&self.values),
        }
    }
}

fn borrowed(value: &Value) -> batch::Value<'_> {
    match value {
        Value::Null => batch::Value::Null,
        Value::Integer(integer) => batch::Value::Integer(*integer),
        Value::Real(real) => batch::Value::Real(*real),
        Value::Text(text) => batch::Value::Text(text.as_bytes()),
        Value::Blob(blob) => batch::Value::Blob(blob),
    }
}

pub(crate) fn rows_of(connection: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let width = statement.column_count();
    // Text need not be UTF-8.
    let value = |value: ValueRef<'_>| match value {
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        value => value.try_into().unwrap(),
    };
    let rows = statement.query_map([], |row| {
        (0..width).map(|column| row.get_ref(column).map(value)).collect::<Result<_, _>>()
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{sql}: {error}"))
}

#[track_caller]
fn assert_same_rows(direct: &Connection, statements: &Connection, sql: &str) {
    let (direct, statements) = (rows_of(direct, sql), rows_of(statements, sql));
    assert_eq!(direct.len(), statements.len(), "{sql}");
    for (direct, statements) in direct.iter().zip(&statements) {
        let are_same = direct.iter().zip(statements).all(|(a, b)| is_same(a, b));
        assert!(are_same && direct.len() == statements.len(), "{sql}: {direct:?} instead of {statements:?}");
    }
}

/// True for equal values of one storage class; -0.0 is not 0.0.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Real(a), Value::Real(b)) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}

/// Checks the fields of the database header that `integrity_check` does not.
fn assert_valid_header(path: &Path, encoding: &str) {
    let bytes = std::fs::read(path).unwrap();
    let number = |offset: usize| u32::from_be_bytes(bytes[offset..offset + 4].try_into().unwrap());
    let page_bytes = match u32::from(bytes[16]) << 8 | u32::from(bytes[17]) {
        1 => 65536,
        bytes => bytes,
    };
    assert_eq!(
        bytes.len() as u64,
        u64::from(page_bytes) * u64::from(number(28)),
        "pages in the header and in the file"
    );
    assert_eq!(number(24), number(92), "change counter and version-valid-for");
    assert_eq!((number(32), number(36)), (0, 0), "no freelist");
    let encodings = ["UTF-8", "UTF-16le", "UTF-16be"];
    assert_eq!(number(44), 4, "schema format");
    assert_eq!(encodings[number(56) as usize - 1], encoding);
    assert_eq!(number(96), rusqlite::version_number() as u32, "the version of SQLite");
}

/// The number of leaf pages of each tree.
fn leaf_pages(connection: &Connection) -> Vec<(String, i64)> {
    let sql = "SELECT name, sum(pagetype = 'leaf') FROM dbstat GROUP BY name";
    let mut statement = connection.prepare(sql).unwrap();
    let trees = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    trees.collect::<Result<_, _>>().unwrap()
}
