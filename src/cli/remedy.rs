//! What the user can do about an error or a note, with the names of options. The library knows no options.

use super::keywords;
use sqload::plan::Type;
use sqload::report::{Note, Report};
use sqload::{ColumnUse, FieldCountCause, FileFormat, Kind, Oddity, PlanError, Reason, Warning};
use std::borrow::Cow;
use std::cell::Cell;
use std::io::ErrorKind;

/// The command line, as far as advice depends on it: no advice names an option that the command does not have, or that cannot
/// be combined with those given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    /// True for `run-pipeline` and `check`.
    pub(super) is_pipeline: bool,
    /// True for `merge`.
    pub(super) is_merge: bool,
    /// True for `--table-per-input`.
    pub(super) has_table_per_input: bool,
    /// True for options that cannot be combined with `--table-per-input`.
    pub(super) describes_one_table: bool,
    /// True for `--writer direct`.
    pub(super) is_direct: bool,
    /// True for `--select`.
    pub(super) has_select: bool,
}

impl Given {
    /// No options.
    pub(super) const NOTHING: Self = Self {
        is_pipeline: false,
        is_merge: false,
        has_table_per_input: false,
        describes_one_table: false,
        is_direct: false,
        has_select: false,
    };
}

thread_local! {
    static GIVEN: Cell<Given> = const { Cell::new(Given::NOTHING) };
}

/// Makes the advice of this thread suit this command line.
pub(super) fn set_given(given: Given) {
    GIVEN.set(given);
}

fn given() -> Given {
    GIVEN.get()
}

/// Advice on an error, to follow its message, in the words of the caller.
pub(super) fn for_error(kind: &Kind) -> Option<String> {
    match keywords::for_error(kind) {
        Some(advice) => Some(advice.to_owned()),
        None => error_advice(kind).map(|advice| keywords::reword(&advice)),
    }
}

fn error_advice(kind: &Kind) -> Option<String> {
    let advice = match kind {
        Kind::TableExists { place: Some(_), .. } => {
            "to replace it, write DROP TABLE IF EXISTS before CREATE TABLE or use --replace; to add rows to it, write CREATE TABLE IF NOT EXISTS or use --append"
        }
        Kind::ViewExists { .. } => {
            "to replace it, write DROP VIEW IF EXISTS before CREATE VIEW; to keep it, write CREATE VIEW IF NOT EXISTS"
        }
        Kind::TableExists { .. } if given().has_table_per_input => {
            "use --append or --truncate to fill such tables, --replace to replace them, or rename the input"
        }
        Kind::TableExists { .. } => {
            "use --append or --truncate to fill it, --replace to replace it, or --table to choose another name"
        }
        Kind::Io { action: "create", source, .. } if source.kind() == ErrorKind::AlreadyExists => {
            "use --force to replace it"
        }
        Kind::Io { action: "read", path, source } if source.kind() == ErrorKind::IsADirectory => {
            let pattern = path.join("*.csv");
            return Some(format!("to load its files, use a pattern such as '{}'", pattern.display()));
        }
        Kind::Constraint { .. } | Kind::Rejected { .. } if given().is_merge => return None,
        Kind::Plan(PlanError::GeneratedColumn { .. }) if given().is_merge => return None,
        Kind::NotADatabase { .. } if given().is_merge => "the database is the last argument",
        Kind::NotADatabase { .. } => {
            "the database is the last argument of load, and --database of run-pipeline"
        }
        Kind::DatabaseOpenInProcess { .. } => "close it there first",
        Kind::DatabaseChanged { .. } => "try again",
        Kind::Locked { .. } => "close that program or wait for it, then try again",
        Kind::NoHeader { skipped_lines: Some(_), .. } => "use a smaller --skip-lines",
        Kind::NoHeader { rows: 2.., .. } => "use a smaller --header-rows",
        Kind::HeaderNotUtf8 { .. } => "name its encoding with --encoding, or use --invalid-utf8 replace",
        Kind::UnsupportedStatement { statement, .. } => return for_statement(statement).map(str::to_owned),
        Kind::HeaderDiffers { .. } if given().describes_one_table => {
            "use --union-by-name to load the columns of all inputs"
        }
        Kind::HeaderDiffers { .. } => {
            "use --union-by-name to load the columns of all inputs, or --table-per-input to load each into its own table"
        }
        Kind::NoSuchColumn { column_use, .. } => {
            return Some(format!("correct {}", option_for(*column_use)));
        }
        Kind::NotInTable { .. } => {
            let change = if given().has_select {
                "leave it out of --select or rename it there with AS".to_owned()
            } else {
                format!("{}, rename it with --rename", leave_out())
            };
            return Some(format!("{change}, or add it to the table with --add-columns"));
        }
        Kind::TooManyColumns { .. } if given().has_table_per_input => "leave some out with --exclude",
        Kind::TooManyColumns { .. } => "choose some with --columns or --exclude",
        Kind::AmbiguousColumn { .. } => "rename one of these columns in the input",
        Kind::Rejected { reason, .. } => {
            let fix = for_reason(reason);
            return Some(format!("{fix}, or use --on-error skip to load the other records"));
        }
        Kind::TooManyErrors { reason, .. } => {
            return Some(format!("{}, or raise --max-errors", for_reason(reason)));
        }
        Kind::NothingLoaded { reason, .. } => {
            return Some(format!("{}, or see the reasons of all records with --rejects", for_reason(reason)));
        }
        Kind::UnclosedQuote { max_bytes: None, .. } => {
            "close it, use --quote none if quotes have no meaning in this file, or use --on-error skip to load the records before it"
        }
        Kind::UnclosedQuote { .. } => {
            "close it, raise --max-record-size, or use --quote none if quotes have no meaning in this file"
        }
        Kind::RecordTooLarge { .. } => "raise --max-record-size",
        Kind::Constraint { .. } if given().is_direct => {
            "fix the input, or use --on-error skip with --writer auto to load the other records"
        }
        Kind::Constraint { .. } => "fix the input, or use --on-error skip to load the other records",
        Kind::DirectUnsupported { .. } => "use --writer auto",
        Kind::NotCsv { format: FileFormat::Sqlite, .. } if given().is_pipeline => {
            "name the database with --database"
        }
        Kind::NotCsv { format: FileFormat::Utf16Le, .. } => "use --encoding utf-16le",
        Kind::NotCsv { format: FileFormat::Utf16Be, .. } => "use --encoding utf-16be",
        Kind::NotCsv { format, .. } => {
            return Some(format!("{}, or use --force to load it as CSV", for_format(*format)));
        }
        Kind::Url { url } => return Some(for_url(url)),
        Kind::InputChanged { .. } => "load it again when no program writes to it",
        Kind::ManifestExists { .. } => "use --replace to replace them, or --into to choose another directory",
        Kind::NotGrouped { .. } => "sort the rows by the columns of the key",
        Kind::StrayJournal { .. } => "move it away, then try again",
        Kind::Threads { .. } => "use a smaller --jobs",
        Kind::Plan(error) => for_plan(error),
        _ => return None,
    };
    Some(advice.to_owned())
}

/// Advice after a load.
pub(super) fn for_report(report: &Report) -> Option<String> {
    let is_lost = report.rejected > 0 && report.rejects.is_empty();
    let advice = "use --rejects FILE to keep the rejected records, so that they can be fixed and loaded";
    is_lost.then(|| keywords::reword(advice))
}

/// A note with advice.
pub(super) fn phrase_note(note: &Note) -> String {
    let advice: Cow<'_, str> = match note {
        Note::DetectedDelimiter(_) | Note::AmbiguousDelimiter { .. } | Note::NoDelimiter => {
            "if that is wrong, use --delimiter".into()
        }
        Note::HeaderUtf8Replaced => "if that is wrong, use --encoding".into(),
        Note::SkippedAll { is_footer: true, .. } => "use a smaller --skip-footer".into(),
        Note::SkippedAll { .. } => "use a smaller --skip-rows".into(),
        Note::TextAmongNumbers(columns) => {
            format!("--type {} loads numbers", typed(&columns[0], "INTEGER")).into()
        }
        Note::TextUsedAsNumber { column, .. } => {
            format!("use try_real({column}) or --type {}", typed(column, "REAL")).into()
        }
        _ => return note.to_string(),
    };
    format!("{note}; {}", keywords::reword(&advice))
}

/// A warning with advice.
pub(super) fn phrase_warning(warning: &Warning) -> String {
    match warning_advice(warning) {
        Some(advice) => format!("{warning}; {}", keywords::reword(&advice)),
        None => warning.to_string(),
    }
}

fn warning_advice(warning: &Warning) -> Option<Cow<'static, str>> {
    let advice = match warning {
        Warning::SameFile { .. } => "name it once",
        Warning::HeaderLooksLikeData { .. } if given().is_pipeline => {
            "if there is no header, name the columns with --names"
        }
        Warning::HeaderLooksLikeData { .. } => "if there is no header, use --no-headers",
        Warning::ShortFirstLine { fields, common_fields, lines, .. } => {
            return Some(for_short_line(*fields, *common_fields, *lines).into());
        }
        Warning::VariantCallFormat { .. } => "use --format vcf",
        Warning::PaddedNames { .. } => "use --trim to remove blanks around names and values",
        Warning::BlankBeforeQuote { .. } => "if quotes enclose such fields, use --trim",
        Warning::TrailingDelimiters { .. } => "use --ragged fit to drop the last field",
        Warning::OtherDelimiter { .. } => "leave out --delimiter to detect it",
        Warning::Records { oddity, .. } => match oddity {
            Oddity::TextAfterQuote => "if a backslash escapes quotes, use --escape '\\'",
            Oddity::RepeatedHeader | Oddity::ByteOrderMark if given().has_table_per_input => {
                "if files were concatenated, load the original files"
            }
            Oddity::RepeatedHeader | Oddity::ByteOrderMark if given().is_pipeline => {
                "if files were concatenated, load the original files, or leave such records out with WHERE"
            }
            Oddity::RepeatedHeader | Oddity::ByteOrderMark => {
                "if files were concatenated, load the original files, or leave such records out with --where"
            }
            Oddity::EmptyRecord => "use --skip-empty to leave such records out",
            Oddity::LoneCr => "put fields that contain a CR in quotes",
            Oddity::LoneLf => "put fields that contain an LF in quotes",
            Oddity::CrLf => "put fields that end with a CR in quotes",
            Oddity::BlankLine => "if blank lines stand for empty values, enclose such values in quotes",
        },
        _ => return None,
    };
    Some(advice.into())
}

/// How to load a table without one of its columns.
fn leave_out() -> &'static str {
    match given() {
        Given { has_select: true, .. } => "leave it out of --select",
        Given { has_table_per_input: true, .. } => "leave it out with --exclude",
        _ => "leave it out with --exclude or --columns",
    }
}

/// What to do about a first line with too few fields, and `lines` lines before records of the usual number.
fn for_short_line(fields: usize, common_fields: usize, lines: u64) -> String {
    match (fields, lines) {
        (2.., 1) if fields + 1 == common_fields && given().is_pipeline => {
            "name the first column in the header, or name all columns with --skip-lines 1 --names".to_owned()
        }
        (2.., 1) if fields + 1 == common_fields => {
            "name the first column in the header, or use --skip-lines 1 --no-headers".to_owned()
        }
        _ => format!("if the header comes after these lines, use --skip-lines {lines}"),
    }
}

/// How to get a CSV file from one in another format.
fn for_format(format: FileFormat) -> &'static str {
    match format {
        FileFormat::Excel | FileFormat::OpenDocument => "save its sheet as CSV (UTF-8) and load that",
        FileFormat::Sqlite => "the database is the last argument, and inputs come before it",
        FileFormat::DuckDb => "export its table as CSV",
        FileFormat::Tar | FileFormat::SevenZip | FileFormat::Rar => "extract it and load its files",
        FileFormat::Compressed(_) | FileFormat::CompressedTwice(_) => "decompress it and load the result",
        FileFormat::Html => "it may be an error page instead of a download; otherwise convert it to CSV",
        FileFormat::Json => "convert it to JSON Lines, as in jq -c '.[]'",
        FileFormat::JsonLines => "convert it to CSV, as in jq -r @csv for lists",
        FileFormat::JsonObjects => "convert it to JSON Lines, as in jq -c .",
        FileFormat::JsonSequence => "remove the separators, as in tr -d '\\036'",
        FileFormat::Utf32 => "convert it to UTF-8, as in iconv -f UTF-32 -t UTF-8",
        FileFormat::GitLfsPointer => "get the file with `git lfs pull`",
        FileFormat::Parquet | FileFormat::Arrow => {
            "use a build with the Cargo feature parquet, or convert it to CSV, for example with DuckDB"
        }
        _ => "convert it to CSV",
    }
}

/// How to load what a URL refers to.
fn for_url(url: &str) -> String {
    let download = match url.split_once("://").map_or("", |(scheme, _)| scheme) {
        "s3" => format!("aws s3 cp '{url}' -"),
        "gs" => format!("gcloud storage cat '{url}'"),
        "file" => return "use the path of the file".to_owned(),
        _ if url.contains(['&', '?', '*', ';', ' ']) => format!("curl -fsS '{url}'"),
        _ => format!("curl -fsS {url}"),
    };
    format!("use {download} | sqload load - DATABASE")
}

/// How to make a record acceptable, as the start of a sentence that goes on with ", or".
fn for_reason(reason: &Reason) -> Cow<'static, str> {
    let advice = match reason {
        Reason::FieldCount { cause: Some(FieldCountCause::TextAfterQuote), .. } => {
            "if a backslash escapes quotes, use --escape '\\'"
        }
        Reason::FieldCount { cause: Some(FieldCountCause::LoneCr), .. } => {
            "put fields that contain a CR in quotes"
        }
        Reason::FieldCount { cause: Some(FieldCountCause::LoneLf), .. } => {
            "put fields that contain an LF in quotes"
        }
        Reason::UnclosedQuote { .. } => "close it, use --quote none if quotes have no meaning in this file",
        Reason::FieldCount { expected, found, .. } if found > expected => {
            "fix the input or correct --delimiter, cut such records with --ragged fit"
        }
        Reason::FieldCount { .. } => {
            "fix the input or correct --delimiter, pad such records with --ragged pad"
        }
        Reason::UnknownMember { .. } => "name all columns with --names",
        Reason::InvalidUtf8 { .. } => {
            "fix the input, name its encoding with --encoding, repair it with --invalid-utf8 replace"
        }
        Reason::NotOfType { column, expected, .. } => {
            let retype =
                format!("give the column of a new table another type with --type {}", typed(column, "TEXT"));
            return match expected {
                // Also for a table that exists.
                Type::NumericAffinity | Type::ExactNumeric => {
                    format!("fix the input, round numbers with --type {}, {retype}", typed(column, "REAL"))
                }
                _ => format!("fix the input, {retype}"),
            }
            .into();
        }
        _ => "fix the input",
    };
    advice.into()
}

/// The argument that gives a column a type, quoted for a shell if its name needs that.
fn typed(column: &str, to: &str) -> String {
    let is_plain = |name: &str| name.chars().all(|char| char.is_alphanumeric() || char == '_');
    if is_plain(column) {
        format!("{column}={to}")
    } else if column.contains([',', '=']) {
        format!("'\"{}\"={to}'", column.replace('"', "\"\""))
    } else {
        format!("'{column}={to}'")
    }
}

/// What to use instead of a statement in a pipeline.
fn for_statement(statement: &str) -> Option<&'static str> {
    match statement {
        "PRAGMA" => Some("use --page-size, --cache-size or --synchronous"),
        "ATTACH" | "DETACH" => Some("name it with --database"),
        "VACUUM" => Some("use --vacuum"),
        "EXPLAIN" => Some("use --explain"),
        _ => None,
    }
}

/// The option that names columns for this use.
fn option_for(column_use: ColumnUse) -> &'static str {
    match column_use {
        ColumnUse::Load => "--columns",
        ColumnUse::Exclude => "--exclude",
        ColumnUse::Select => "--select",
        ColumnUse::Rename => "--rename",
        ColumnUse::Type => "--type",
        ColumnUse::Null => "--null",
        ColumnUse::NotNull => "--not-null",
        ColumnUse::PrimaryKey => "--pk",
        ColumnUse::Unique => "--unique",
        ColumnUse::Index => "--index",
        ColumnUse::Shards => "--shards-by",
    }
}

fn for_plan(error: &PlanError) -> &'static str {
    match error {
        PlanError::NoTableName => "name it with --table",
        PlanError::TargetIsView { .. } if given().has_table_per_input => "rename the input",
        PlanError::TargetIsView { .. } if given().is_pipeline => "choose another name in CREATE TABLE",
        PlanError::ReservedTableName { .. } | PlanError::TargetIsView { .. } => {
            "choose another name with --table"
        }
        PlanError::WithoutRowidNeedsKey => "name its columns with --pk",
        PlanError::TwoPrimaryKeys => "use either --auto-id or --pk",
        PlanError::DuplicateColumn { .. } => {
            "rename one with --rename, AS in --select, --auto-id=NAME or --file-column, or leave one out with --exclude"
        }
        PlanError::UpdateNeedsKey { exists: true, .. } => {
            "give the table a primary key, or leave out --upsert"
        }
        PlanError::UpdateNeedsKey { exists: false, .. } => {
            "name the key of a new table with --pk, add --append if the table exists, or leave out --upsert"
        }
        PlanError::UpdateNeedsWholeKey { .. } => "load all of them to use --upsert, or leave out --upsert",
        PlanError::GeneratedColumn { .. } => leave_out(),
        PlanError::InvalidType { .. } => {
            "use a type name such as INTEGER, REAL, TEXT, BLOB, DATE or VARCHAR(10) with --type"
        }
        PlanError::NotStrictType { .. } => "use one of them with --type, or leave out --strict",
        PlanError::UnknownEncoding { .. } => {
            "use a label of the Encoding Standard or a DOS code page with --encoding, such as utf-16le, latin-1, cp850 or shift_jis"
        }
        PlanError::OnlyForCsv { .. } => "leave out the option",
        PlanError::MixedInputs { .. } if given().describes_one_table => "load them one after the other",
        PlanError::MixedInputs { .. } => {
            "load them one after the other, the second one with --append, or use --table-per-input"
        }
        PlanError::UnsupportedType { .. } => leave_out(),
        PlanError::TypesDiffer { .. } => "declare its type with --type",
        PlanError::TooManyPages => "use a larger --page-size",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_options() {
        assert_eq!(for_error(&Kind::Interrupted), None);
        let jobs = Kind::Threads { jobs: 2, source: std::io::Error::other("") };
        assert_eq!(for_error(&jobs).as_deref(), Some("use a smaller --jobs"));
        let unknown = Kind::NoSuchColumn {
            column_use: ColumnUse::PrimaryKey,
            column: "a".to_owned(),
            found: Vec::new(),
        };
        assert_eq!(for_error(&unknown).as_deref(), Some("correct --pk"));
        assert_eq!(typed("a_1", "TEXT"), "a_1=TEXT");
        assert_eq!(typed("a b", "TEXT"), "'a b=TEXT'");
        assert_eq!(typed("last, \"first\"", "REAL"), "'\"last, \"\"first\"\"\"=REAL'");
        let note = Note::DetectedDelimiter(b';'.into());
        assert_eq!(phrase_note(&note), "fields are separated by ';'; if that is wrong, use --delimiter");
    }
}
