//! What the user can do about an error or a note, with the names of options. The library knows no options.

use sqload::report::Note;
use sqload::{ColumnUse, Kind, PlanError, Reason};

/// Advice on an error, to follow its message.
pub(super) fn for_error(kind: &Kind) -> Option<String> {
    let advice = match kind {
        Kind::TableExists { .. } => {
            "use --append or --truncate to fill it, --replace to replace it, or --table to choose another name"
        }
        Kind::DatabaseOpenInProcess { .. } => "close it there first",
        Kind::DatabaseChanged { .. } => "try again",
        Kind::Locked { .. } => "close that program or wait for it, then try again",
        Kind::NoHeader { rows: 2.., .. } => "use a smaller --header-rows",
        Kind::HeaderNotUtf8 { .. } => "name its encoding with --encoding, or use --invalid-utf8 replace",
        Kind::UnsupportedStatement { statement, .. } => return for_statement(statement).map(str::to_owned),
        Kind::HeaderDiffers { .. } => "use --union-by-name to load the columns of all inputs",
        Kind::NoSuchColumn { column_use, .. } => {
            return Some(format!("correct {}", option_for(*column_use)?));
        }
        Kind::NotInTable { .. } => {
            "leave it out with --columns, rename it with --rename, or add it to the table with --add-columns"
        }
        Kind::TooManyColumns { .. } => "choose some with --columns",
        Kind::AmbiguousColumn { .. } => "rename one of these columns in the input",
        Kind::Rejected { reason, .. } => {
            let fix = for_reason(reason);
            return Some(format!("{fix}, or use --on-error skip to load the other records"));
        }
        Kind::TooManyErrors { reason, .. } => {
            return Some(format!("{}, or raise --max-errors", for_reason(reason)));
        }
        Kind::UnclosedQuote { max_bytes: None, .. } => {
            "close it, or use --quote none if quotes have no meaning in this file"
        }
        Kind::UnclosedQuote { .. } => {
            "close it, raise --max-record-size, or use --quote none if quotes have no meaning in this file"
        }
        Kind::RecordTooLarge { .. } => "raise --max-record-size",
        Kind::Constraint { .. } => {
            "fix the input, or use --on-error skip (and --writer auto instead of direct) to load the other records"
        }
        Kind::DirectUnsupported { .. } => "use --writer auto",
        Kind::InputChanged { .. } => "load it again when no program writes to it",
        Kind::StrayJournal { .. } => "move it away, then try again",
        Kind::Threads { .. } => "use a smaller --jobs",
        Kind::Plan(error) => return for_plan(error).map(str::to_owned),
        _ => return None,
    };
    Some(advice.to_owned())
}

/// A note with advice.
pub(super) fn phrase_note(note: &Note) -> String {
    match note {
        Note::DetectedDelimiter(_) => format!("{note}; if that is wrong, use --delimiter"),
        Note::HeaderUtf8Replaced => format!("{note}; if that is wrong, use --encoding"),
        _ => note.to_string(),
    }
}

/// How to make a record acceptable, as the start of a sentence that goes on with ", or".
fn for_reason(reason: &Reason) -> &'static str {
    match reason {
        Reason::FieldCount { .. } => {
            "fix the input or --delimiter, accept such records with --ragged pad or --ragged fit"
        }
        Reason::InvalidUtf8 { .. } => {
            "fix the input, name its encoding with --encoding, repair it with --invalid-utf8 replace"
        }
        _ => "fix the input",
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
fn option_for(column_use: ColumnUse) -> Option<&'static str> {
    Some(match column_use {
        ColumnUse::Load => "--columns",
        ColumnUse::Select => "--select",
        ColumnUse::Rename => "--rename",
        ColumnUse::Type => "--type",
        ColumnUse::Null => "--null",
        ColumnUse::NotNull => "--not-null",
        ColumnUse::PrimaryKey => "--pk",
        ColumnUse::Unique => "--unique",
        ColumnUse::Index => "--index",
        _ => return None,
    })
}

fn for_plan(error: &PlanError) -> Option<&'static str> {
    Some(match error {
        PlanError::NoTableName => "name it with --table",
        PlanError::ReservedTableName { .. } | PlanError::TargetIsView { .. } => {
            "choose another name with --table"
        }
        PlanError::WithoutRowidNeedsKey => "name its columns with --pk",
        PlanError::TwoPrimaryKeys => "use either --auto-id or --pk",
        PlanError::DuplicateColumn { .. } => {
            "rename one with --rename, AS in --select, --auto-id=NAME or --file-column, or leave one out with --columns"
        }
        PlanError::UpdateNeedsKey { .. } => {
            "create the table with a key (--pk) to use --upsert, or leave out --upsert"
        }
        PlanError::UpdateNeedsWholeKey { .. } => "load all of them to use --upsert, or leave out --upsert",
        PlanError::GeneratedColumn { .. } => "leave it out with --columns",
        PlanError::UnknownEncoding { .. } => {
            "use a label of the Encoding Standard or a DOS code page with --encoding, such as utf-16le, latin-1, cp850 or shift_jis"
        }
        PlanError::TooManyPages => "use a larger --page-size",
        _ => return None,
    })
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
        let note = Note::DetectedDelimiter(b';'.into());
        assert_eq!(phrase_note(&note), "fields are separated by ';'; if that is wrong, use --delimiter");
    }
}
