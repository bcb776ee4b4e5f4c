//! Setters for how inputs are read, and for bad records.

use super::Loader;
use crate::plan::{CommentPrefix, Delimiter, Escapes, InvalidUtf8, OnError, Ragged};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The format of the inputs.
impl Loader {
    /// The field delimiter: a byte, or a [`Delimiter`] of several. Default: detected.
    pub fn delimiter(mut self, delimiter: impl Into<Delimiter>) -> Self {
        self.plan.dialect.delimiter = delimiter.into();
        self.detect_delimiter(false)
    }

    /// Whether to detect the delimiter (comma, tab, semicolon or pipe) in the first records, or in a first line such as
    /// `sep=;`. Default: true.
    pub fn detect_delimiter(mut self, detect: bool) -> Self {
        self.plan.input_options.detect_delimiter = detect;
        self
    }

    /// The byte that encloses fields with delimiters or line ends; `None` means that no byte does. Default: `"`.
    pub fn quote(mut self, quote: Option<u8>) -> Self {
        self.plan.dialect.quote = quote;
        self
    }

    /// The byte that starts an escape; [`Loader::escapes`] sets where it has a meaning. Default: none. A doubled quote always
    /// means one quote.
    pub fn escape(mut self, escape: Option<u8>) -> Self {
        self.plan.dialect.escape = escape;
        self
    }

    /// Where escapes have a meaning, and which. Default: [`Escapes::Quoted`].
    pub fn escapes(mut self, escapes: Escapes) -> Self {
        self.plan.dialect.escapes = escapes;
        self
    }

    /// Lines that start with this text are comments. Default: no comments.
    pub fn comment(mut self, comment: Option<CommentPrefix>) -> Self {
        self.plan.dialect.comment = comment;
        self
    }

    /// Whether to remove spaces and tabs around fields and column names. Default: false.
    pub fn trim(mut self, trim: bool) -> Self {
        self.plan.dialect.trim = trim;
        self
    }

    /// The text encoding: a label of the [Encoding Standard](https://encoding.spec.whatwg.org/#names-and-labels), a name that
    /// Python or iconv uses for one of its encodings, or a code page of DOS, such as `cp437`. Default: UTF-8, or UTF-16 if the
    /// input starts with its byte order mark.
    pub fn encoding(mut self, label: impl Into<String>) -> Self {
        self.plan.encoding = Some(label.into());
        self
    }

    /// The number of lines to skip before the header. Default: 0.
    pub fn skip_lines(mut self, lines: u64) -> Self {
        self.plan.input_options.skip_lines = lines;
        self
    }

    /// The number of records in the header. With several, the names of a column are joined with a space, and a name above
    /// several columns belongs to all of them; with 0, the columns are named `column1`, `column2` and so on. Default: 1.
    pub fn header_rows(mut self, rows: usize) -> Self {
        self.plan.input_options.header_rows = rows;
        self
    }

    /// Names the columns of inputs, which then have no header. Default: the header names them.
    pub fn column_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.plan.column_names.extend(names.into_iter().map(Into::into));
        self.plan.input_options.header_rows = 0;
        self
    }

    /// A byte that precedes the first name in the header and does not belong to it. Default: none.
    pub fn header_mark(mut self, mark: Option<u8>) -> Self {
        self.plan.input_options.header_mark = mark;
        self
    }

    /// The number of records to skip after the header, such as one with units. Default: 0.
    pub fn skip_rows(mut self, records: usize) -> Self {
        self.plan.input_options.skip_rows = records;
        self
    }

    /// The number of records to skip at the end of each input, such as one with totals. Default: 0.
    pub fn skip_footer(mut self, records: usize) -> Self {
        self.plan.input_options.skip_footer = records;
        self
    }

    /// Whether to skip records without a value: their fields are empty, consist of blanks, or are empty quotes. Default: false.
    pub fn skip_empty(mut self, skip: bool) -> Self {
        self.plan.input_options.skip_empty = skip;
        self
    }

    /// The largest number of records to read. Default: all.
    pub fn limit(mut self, records: u64) -> Self {
        self.plan.input_options.max_records = Some(records);
        self
    }

    /// Whether empty fields become NULL, even in TEXT columns; empty quoted fields never do. Default: false.
    pub fn empty_null(mut self, empty_null: bool) -> Self {
        self.plan.nulls.empty = empty_null;
        self
    }

    /// The decimal mark of numbers. It matters where a text becomes a number, not in columns of TEXT. Default: a point.
    pub fn decimal(mut self, mark: char) -> Self {
        self.plan.notation.decimal = mark;
        self
    }

    /// The separator between groups of three digits of a number. Default: none.
    pub fn thousands(mut self, separator: Option<char>) -> Self {
        self.plan.notation.thousands = separator;
        self
    }

    /// Adds a field that means NULL in the column with this name. Default: none.
    pub fn null_in(mut self, column: impl Into<String>, text: impl Into<String>) -> Self {
        self.plan.nulls.columns.push((column.into(), text.into()));
        self
    }

    /// Adds a field that means NULL, as it is written: `NA` does not stand for `"NA"`. Default: none.
    pub fn null(mut self, text: impl Into<String>) -> Self {
        self.plan.nulls.texts.push(text.into());
        self
    }

    /// Declares the type of a column instead of inferring it: a [`Type`](crate::plan::Type), or any type name of SQLite, such as
    /// `VARCHAR(10)`. Records with a value that does not fit are rejected.
    pub fn column_type(mut self, column: impl Into<String>, declared: impl Into<String>) -> Self {
        self.plan.input_types.types.push((column.into(), declared.into()));
        self
    }

    /// Whether all columns are TEXT. Default: false.
    pub fn all_text(mut self, all_text: bool) -> Self {
        self.plan.input_types.all_text = all_text;
        self
    }

    /// The size of the largest record in bytes, at most 1 GiB. A larger record is an error. Default: 16 MiB.
    pub fn max_record_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.plan.policies.max_record_bytes = bytes.get();
        self
    }

    /// Whether to load inputs as CSV even if their content shows that they are in another format, such as Parquet or JSON.
    /// Default: false.
    pub fn force(mut self, force: bool) -> Self {
        self.plan.input_options.force = force;
        self
    }

    /// Whether large files may be mapped into memory, which installs a handler of SIGBUS in the process. Otherwise they are
    /// copied to a temporary file while they are read. Default: true.
    pub fn map_inputs(mut self, map: bool) -> Self {
        self.plan.input_options.map = map;
        self
    }
}

/// Bad records.
impl Loader {
    /// What to do about a record that cannot be loaded. Default: [`OnError::Abort`] for [`Loader::new`], otherwise
    /// [`OnError::Skip`].
    ///
    /// A record with a quote that is never closed takes in the rest of its input. Such a record is rejected like others after
    /// this call, whatever its size; by default it ends the load if it has more than 64 KiB. See
    /// [`Policies::max_unclosed_bytes`](crate::plan::Policies::max_unclosed_bytes).
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.plan.policies.on_error = on_error;
        self.plan.policies.max_unclosed_bytes = u64::MAX;
        self
    }

    /// Skips records that cannot be loaded ([`OnError::Skip`]), but at most this many. Default: no limit.
    pub fn max_errors(mut self, max_errors: u64) -> Self {
        self.plan.policies.max_errors = Some(max_errors);
        self.plan.policies.on_error = OnError::Skip;
        self
    }

    /// What to do about a record with fewer or more fields than the header. Default: [`Ragged::Reject`].
    pub fn ragged(mut self, ragged: Ragged) -> Self {
        self.plan.policies.ragged = ragged;
        self
    }

    /// What to do about a record that is not valid UTF-8. Default: [`InvalidUtf8::Reject`].
    pub fn invalid_utf8(mut self, invalid_utf8: InvalidUtf8) -> Self {
        self.plan.policies.invalid_utf8 = invalid_utf8;
        self
    }

    /// The file for rejected records: they are written unchanged, after the header. The reasons go to
    /// `<path>.reasons.jsonl`. `-` is standard output, without the reasons. Default: none.
    pub fn rejects(mut self, path: impl Into<PathBuf>) -> Self {
        self.plan.policies.rejects = Some(path.into());
        self
    }
}
