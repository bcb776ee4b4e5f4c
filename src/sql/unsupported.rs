//! SQL that a pipeline does not support.

use sqlparser::tokenizer::Span;

/// The reason against SQL that reads more than one record, and what to do instead.
pub(crate) const ROW_BY_ROW: &str = "a pipeline computes each row from one record; load the records first, then use a view or a query, or run the query with sqload-sql";

/// A SQL construct that a pipeline does not support, or that SQLite rejects.
#[derive(Debug)]
pub(crate) struct Unsupported {
    pub(crate) reason: String,
    pub(crate) span: Span,
}
