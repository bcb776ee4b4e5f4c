//! A load of any bytes gives the same table as inserting the records of the oracle through SQLite, or the expected
//! error.
#![no_main]

use csv::ByteRecord;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use sqload::plan::{Column, Dialect, Expr, OnError, Table};
use sqload::{Kind, Loader};
use sqload_fuzz::{
    has_end_of_data, is_encoded_or_compressed, names_delimiter, oracle, parse_dialect, unclosed_quote,
};
use std::num::NonZeroUsize;

const COLUMNS: [(&str, &str); 5] = [("a", "TEXT"), ("b", "BLOB"), ("c", ""), ("n", "INTEGER"), ("u", "TEXT")];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((dialect, options, [tuning, chunk_bytes, bytes @ ..])) = parse_dialect(data) else { return };
    let header = ["a", "b", "c\n"].join(std::str::from_utf8(dialect.delimiter.as_bytes()).unwrap());
    let header = if options & 0x10 != 0 { header.as_str() } else { "" };
    let bytes = [header.as_bytes(), bytes].concat();
    if is_encoded_or_compressed(&bytes) || names_delimiter(&bytes) {
        return;
    }
    let on_error = if options & 0x40 != 0 { OnError::Abort } else { OnError::Skip };
    let expected = Expected::compute(&bytes, dialect, on_error);

    let directory = tempfile::tempdir().unwrap();
    let (input, database) = (directory.path().join("input.csv"), directory.path().join("output.db"));
    std::fs::write(&input, &bytes).unwrap();
    match loader(dialect, *tuning, *chunk_bytes).on_error(on_error).load(&input, &database) {
        Ok(report) => {
            assert_eq!(expected.error, None);
            assert_eq!(report.records, report.loaded + report.rejected);
            assert_eq!((report.loaded, report.rejected), (expected.rows.len() as u64, expected.rejected));
            assert_eq!(content(&Connection::open(&database).unwrap()), content(&expected.database()));
        }
        Err(error) => {
            let record = error.position().map_or(0, |position| position.record);
            assert_eq!(Some((error_name(error.kind()), record)), expected.error, "{error}");
            std::fs::remove_file(&input).unwrap();
            assert_eq!(directory.path().read_dir().unwrap().count(), 0, "no file is left behind");
        }
    }
});

/// The expected result of a load.
#[derive(Default)]
struct Expected {
    /// The first error and its record. If there is one, the other fields do not matter.
    error: Option<(&'static str, u64)>,
    rows: Vec<[Value; COLUMNS.len()]>,
    rejected: u64,
}

impl Expected {
    fn compute(bytes: &[u8], dialect: Dialect, on_error: OnError) -> Self {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let mut records = oracle(bytes, dialect);
        // Differs from `records` exactly in the fields that are not UTF-8. Replacement does not move field ends.
        let mut as_text = oracle(String::from_utf8_lossy(bytes).as_bytes(), dialect);
        let error = |name| Self { error: Some((name, 0)), ..Self::default() };
        let Some(header) = records.first().cloned() else { return error("no header") };
        if records.len() > 1 && has_end_of_data(bytes, dialect) {
            records.pop();
            as_text.pop();
        }
        let is_unclosed = unclosed_quote(bytes, dialect).is_some();
        if is_unclosed {
            records.pop();
            as_text.pop();
        }
        if records.is_empty() {
            return error("unclosed quote");
        }
        let is_utf8 = |record: &ByteRecord| record.iter().all(|field| str::from_utf8(field).is_ok());
        if as_text.first() != Some(&header) || !is_utf8(&header) {
            return error("header not UTF-8");
        }
        let mut indices = [0; 3];
        for (index, name) in indices.iter_mut().zip([b"a", b"b", b"c"]) {
            let columns = |matches: &dyn Fn(&[u8]) -> bool| -> Vec<usize> {
                (0..header.len()).filter(|index| matches(&header[*index])).collect()
            };
            // An exact match wins over a match that ignores case.
            let exact = columns(&|found| found == name);
            let found =
                if exact.is_empty() { columns(&|found| found.eq_ignore_ascii_case(name)) } else { exact };
            match found[..] {
                [only] => *index = only,
                [] => return error("missing column"),
                _ => return error("ambiguous column"),
            }
        }
        let (mut expected, mut first_rejected) = (Self::default(), 0);
        for (number, (record, as_text)) in (0..).zip(records.iter().zip(&as_text)).skip(1) {
            if record.len() == header.len() && record == as_text && is_utf8(record) {
                expected.rows.push(row(record, indices));
            } else {
                expected.rejected += 1;
                first_rejected = if expected.rejected == 1 { number } else { first_rejected };
                if on_error == OnError::Abort {
                    expected.error.get_or_insert(("rejected", number));
                }
            }
        }
        match on_error {
            _ if !is_unclosed => {}
            OnError::Skip => {
                expected.rejected += 1;
                first_rejected = if expected.rejected == 1 { records.len() as u64 } else { first_rejected };
            }
            _ => _ = expected.error.get_or_insert(("unclosed quote", records.len() as u64)),
        }
        if expected.rows.is_empty() && expected.rejected > 0 {
            expected.error.get_or_insert(("nothing loaded", first_rejected));
        }
        expected
    }

    fn database(&self) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let columns = COLUMNS.map(|(name, declaration)| format!("{name} {declaration}")).join(",");
        connection.execute_batch(&format!("CREATE TABLE t ({columns}); BEGIN")).unwrap();
        let mut insert = connection.prepare("INSERT INTO t VALUES (?,?,?,?,?)").unwrap();
        for row in &self.rows {
            insert.execute(params_from_iter(row)).unwrap();
        }
        drop(insert);
        connection
    }
}

fn row(record: &ByteRecord, indices: [usize; 3]) -> [Value; COLUMNS.len()] {
    let [a, b, c] = indices.map(|index| str::from_utf8(&record[index]).unwrap());
    let integer = c.parse().map_or(Value::Null, Value::Integer);
    [a.to_owned().into(), b.to_owned().into(), c.to_owned().into(), integer, b.to_uppercase().into()]
}

fn content(connection: &Connection) -> Vec<Vec<Value>> {
    let mut select = connection.prepare("SELECT rowid, * FROM t ORDER BY rowid").unwrap();
    let row = |row: &rusqlite::Row<'_>| (0..=COLUMNS.len()).map(|column| row.get(column)).collect();
    select.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
}

fn loader(dialect: Dialect, tuning: u8, chunk_bytes: u8) -> Loader {
    let field = |name: &str| Expr::Field(name.to_owned());
    let values = ["a", "b", "c"].map(field).into_iter();
    let values = values.chain([Expr::TryInteger(field("c").into()), Expr::Upper(field("b").into())]);
    let columns = COLUMNS.iter().zip(values);
    let columns =
        columns.map(|((name, declaration), value)| Column::new(*name, *declaration, value)).collect();
    let number = |number: u8| NonZeroUsize::new(number.into()).unwrap_or(NonZeroUsize::MIN);
    Loader::from(Table::new("t", columns))
        .delimiter(dialect.delimiter)
        .quote(dialect.quote)
        .escape(dialect.escape)
        .escapes(dialect.escapes)
        .comment(dialect.comment)
        .trim(dialect.trim)
        .force(true)
        .jobs(number(tuning & 3))
        .batch_rows(number(tuning >> 2 & 7))
        .page_bytes(if tuning & 0x20 != 0 { 512 } else { 4096 })
        .verify(tuning & 0x40 != 0)
        .vacuum(tuning & 0x80 != 0)
        .chunk_bytes(number(chunk_bytes))
}

fn error_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::NoHeader { .. } => "no header",
        Kind::HeaderNotUtf8 { .. } => "header not UTF-8",
        Kind::MissingColumn { .. } => "missing column",
        Kind::AmbiguousColumn { .. } => "ambiguous column",
        Kind::UnclosedQuote { .. } => "unclosed quote",
        Kind::Rejected { .. } => "rejected",
        Kind::NothingLoaded { .. } => "nothing loaded",
        _ => "unexpected",
    }
}
