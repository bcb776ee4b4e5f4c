//! The files that a statement reads, as tables.

use crate::failure::Failure;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::TableReference;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::prelude::{CsvReadOptions, JsonReadOptions, ParquetReadOptions, SessionContext};
use datafusion::sql::parser::Statement;
use rusqlite::Connection;
use sqload::Loader;
use std::path::PathBuf;

/// The formats of files, by the end of their names.
const FORMATS: [(&str, FileKind); 7] = [
    (".csv", FileKind::Csv),
    (".tsv", FileKind::Csv),
    (".txt", FileKind::Csv),
    (".parquet", FileKind::Parquet),
    (".jsonl", FileKind::JsonLines),
    (".ndjson", FileKind::JsonLines),
    (".json", FileKind::JsonLines),
];

/// Compression formats, by what follows the end of a name.
const COMPRESSIONS: [(&str, FileCompressionType); 5] = [
    ("", FileCompressionType::UNCOMPRESSED),
    (".gz", FileCompressionType::GZIP),
    (".bz2", FileCompressionType::BZIP2),
    (".xz", FileCompressionType::XZ),
    (".zst", FileCompressionType::ZSTD),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Csv,
    Parquet,
    JsonLines,
}

/// A file, or all files of a pattern.
struct Source<'p> {
    path: &'p str,
    kind: FileKind,
    compression: FileCompressionType,
    /// The end of the name, such as `.csv.gz`.
    extension: String,
}

impl<'p> Source<'p> {
    /// The source at `path`; `None` if its name does not tell the format.
    fn new(path: &'p str) -> Option<Self> {
        let lower = path.to_ascii_lowercase();
        let all = FORMATS
            .iter()
            .flat_map(|format| COMPRESSIONS.iter().map(move |compression| (format, compression)));
        all.map(|((end, kind), (packed, compression))| (format!("{end}{packed}"), *kind, *compression))
            .find(|(end, ..)| lower.ends_with(end))
            .map(|(end, kind, compression)| {
                let extension = path[path.len() - end.len()..].to_owned();
                Self { path, kind, compression, extension }
            })
    }
}

/// Makes the named inputs tables of `context`, and the files that `statement` names by their paths.
///
/// # Errors
/// If a file is missing, cannot be read, or has a name that does not tell its format.
pub async fn register_files(
    context: &SessionContext,
    statement: &Statement,
    inputs: &[(String, String)],
    all_text: bool,
) -> Result<(), Failure> {
    for (name, path) in inputs {
        let source = Source::new(path).ok_or_else(|| unknown_format(path))?;
        add(context, name, &source, all_text).await?;
    }
    for table in context.state().resolve_table_references(statement)? {
        let TableReference::Bare { table } = &table else { continue };
        if inputs.iter().any(|(name, _)| **name == **table) {
            continue;
        }
        match Source::new(table) {
            Some(source) => add(context, table, &source, all_text).await?,
            None if table.contains(['.', '/']) => return Err(unknown_format(table)),
            // DataFusion says which table is unknown.
            None => {}
        }
    }
    Ok(())
}

fn unknown_format(path: &str) -> Failure {
    let ends: Vec<_> = FORMATS.iter().map(|(end, _)| *end).collect();
    let ends = ends.join(", ");
    Failure::Usage(format!(
        "the name of {path:?} does not tell its format; names end in {ends}, followed by .gz, .bz2, .xz or .zst if the file is compressed"
    ))
}

async fn add(
    context: &SessionContext,
    name: &str,
    source: &Source<'_>,
    all_text: bool,
) -> Result<(), Failure> {
    let Source { path, kind, compression, extension } = source;
    if !path.contains(['*', '?', '[']) {
        // DataFusion would take a file that is missing for an empty table.
        std::fs::metadata(path)
            .map_err(|error| std::io::Error::new(error.kind(), format!("cannot read {path}: {error}")))?;
    }
    let table = TableReference::bare(name);
    match kind {
        FileKind::Csv => {
            let (schema, delimiter) = csv_schema(path, all_text)?;
            let options = CsvReadOptions::new()
                .schema(&schema)
                .delimiter(delimiter)
                .file_extension(extension)
                .file_compression_type(*compression)
                .newlines_in_values(true);
            context.register_csv(table, *path, options).await?;
        }
        FileKind::JsonLines => {
            let options = JsonReadOptions::default()
                .file_extension(extension)
                .file_compression_type(*compression)
                // All records, because the columns of a file are those of all its records.
                .schema_infer_max_records(usize::MAX);
            context.register_json(table, *path, options).await?;
        }
        FileKind::Parquet => {
            let options = ParquetReadOptions { file_extension: extension, ..Default::default() };
            context.register_parquet(table, *path, options).await?;
        }
    }
    Ok(())
}

/// The columns of CSV files and their delimiter, as sqload finds them: numbers only if that preserves every value it has seen.
fn csv_schema(path: &str, all_text: bool) -> Result<(Schema, u8), Failure> {
    let loader = Loader::new("input").all_text(all_text);
    // A preview creates nothing.
    let nowhere = std::env::temp_dir().join(format!("sqload-sql-{}.db", std::process::id()));
    let preview = loader.preview(&[PathBuf::from(path)], nowhere)?;
    let delimiter = match preview.inputs.first() {
        Some((_, Some(dialect))) => dialect.delimiter,
        _ => return Err(Failure::Usage(format!("{path} is not a CSV file"))),
    };
    let [byte] = delimiter.as_bytes() else {
        return Err(Failure::Usage(format!("{path}: the delimiter has more than one byte")));
    };
    Ok((columns(&preview.statements[0])?, *byte))
}

/// The columns that a CREATE TABLE statement declares.
fn columns(create_table: &str) -> Result<Schema, Failure> {
    let failed = |error: rusqlite::Error| Failure::System(std::io::Error::other(error));
    let database = Connection::open_in_memory().map_err(failed)?;
    database.execute_batch(create_table).map_err(failed)?;
    let mut statement =
        database.prepare("SELECT name, type FROM pragma_table_info('input')").map_err(failed)?;
    let field = |row: &rusqlite::Row<'_>| {
        let (name, kind): (String, String) = (row.get(0)?, row.get(1)?);
        let kind = match kind.as_str() {
            "INTEGER" => DataType::Int64,
            "REAL" => DataType::Float64,
            _ => DataType::Utf8,
        };
        Ok(Field::new(name, kind, true))
    };
    let fields = statement.query_map([], field).map_err(failed)?;
    Ok(Schema::new(fields.collect::<Result<Vec<_>, _>>().map_err(failed)?))
}
