//! Identifiers of errors, for programs.

use super::{Error, Kind};

impl Kind {
    /// A stable identifier for programs, such as `table_exists`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Sqlite { .. } => "sqlite",
            Self::TableExists { .. } => "table_exists",
            Self::ViewExists { .. } => "view_exists",
            Self::Locked { .. } => "locked",
            Self::NotADatabase { .. } => "not_a_database",
            Self::DatabaseOpenInProcess { .. } => "database_open_in_process",
            Self::DatabaseChanged { .. } => "database_changed",
            Self::NoHeader { .. } => "no_header",
            Self::HeaderNotUtf8 { .. } => "header_not_utf8",
            Self::NotCsv { .. } => "not_csv",
            Self::Url { .. } => "url",
            Self::Sql { .. } => "sql",
            Self::UnsupportedStatement { .. } => "unsupported_statement",
            Self::MissingColumn { .. } => "missing_column",
            Self::HeaderDiffers { .. } => "header_differs",
            Self::NoSuchColumn { .. } => "no_such_column",
            Self::NotInTable { .. } => "not_in_table",
            Self::TooManyColumns { .. } => "too_many_columns",
            Self::AmbiguousColumn { .. } => "ambiguous_column",
            Self::Rejected { .. } => "rejected",
            Self::TooManyErrors { .. } => "too_many_errors",
            Self::NothingLoaded { .. } => "nothing_loaded",
            Self::UnclosedQuote { .. } => "unclosed_quote",
            Self::RecordTooLarge { .. } => "record_too_large",
            Self::Constraint { .. } => "constraint",
            Self::DirectUnsupported { .. } => "direct_unsupported",
            Self::FormatDisabled { .. } => "format_disabled",
            Self::InputChanged { .. } => "input_changed",
            Self::StrayJournal { .. } => "stray_journal",
            Self::ManifestExists { .. } => "manifest_exists",
            Self::Shard { .. } => "shard",
            Self::NotGrouped { .. } => "not_grouped",
            Self::Threads { .. } => "threads",
            Self::Plan(_) => "plan",
            Self::Usage(_) => "usage",
            Self::Verify(_) => "verify",
            Self::Interrupted => "interrupted",
            Self::Internal(_) => "internal",
        }
    }
}

impl Error {
    /// The exit code of the program after this error: 130 after an interrupt, 2 for a plan that contradicts itself or its
    /// environment, otherwise 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.kind() {
            Kind::Interrupted => 130,
            Kind::Usage(_) | Kind::Plan(_) => 2,
            _ => 1,
        }
    }
}
