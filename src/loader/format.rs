//! Named formats: bundles of settings.

use super::Loader;
use crate::plan::{CommentPrefix, Escapes};

/// A named format of text files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// RFC 4180: commas, and double quotes.
    Csv,
    /// Tabs, and double quotes.
    Tsv,
    /// Files of spreadsheet programs: the delimiter (comma, semicolon or tab) is detected, and empty rows are skipped.
    Excel,
    /// `SELECT ... INTO OUTFILE` of MySQL: tabs, no header, no quotes, escapes with `\`, and `\N` for NULL.
    MySql,
    /// `COPY ... TO` of PostgreSQL, in its text format: as `MySql`, with the escapes of PostgreSQL.
    Postgres,
    /// Text tables of Hive: the byte 1 as the delimiter, no header, no quotes, and `\N` for NULL.
    Hive,
    /// Variant Call Format: tabs, no quotes, comments that start with `##`, a header that starts with `#CHROM`, and `.` for
    /// missing values.
    Vcf,
}

impl Loader {
    /// Sets everything that belongs to a format: the delimiter, quote, escapes and comments, whether there is a header, and
    /// which fields are NULL, in addition to those set before. Setters called later change single settings.
    pub fn format(self, format: Format) -> Self {
        let loader =
            self.delimiter(b',').quote(Some(b'"')).escape(None).escapes(Escapes::Quoted).comment(None);
        let unquoted = |loader: Self, delimiter: u8| loader.delimiter(delimiter).quote(None);
        match format {
            Format::Csv => loader,
            Format::Tsv => loader.delimiter(b'\t'),
            Format::Excel => loader.detect_delimiter(true).skip_empty(true),
            Format::MySql => unquoted(loader, b'\t').database_text(Escapes::MySql),
            Format::Postgres => unquoted(loader, b'\t').database_text(Escapes::Postgres),
            Format::Hive => unquoted(loader, 1).header_rows(0).null(r"\N"),
            Format::Vcf => {
                unquoted(loader, b'\t').comment(CommentPrefix::new(b"##")).header_mark(Some(b'#')).null(".")
            }
        }
    }

    /// Sets what MySQL and PostgreSQL have in common.
    fn database_text(self, escapes: Escapes) -> Self {
        self.escape(Some(b'\\')).escapes(escapes).header_rows(0).null(r"\N")
    }
}
