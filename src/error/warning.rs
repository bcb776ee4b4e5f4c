//! What looks wrong in an input, although it can be loaded.

use super::phrases::count;
use crate::plan::Delimiter;
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A sign that an input is not what it seems to be. It is no error, and does not change what is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Warning {
    /// Something failed after the rows were loaded: what.
    AfterCommit(String),
    /// The same file is loaded several times.
    SameFile {
        /// The path of the file where it is given first.
        input: Arc<str>,
        /// How often it is loaded.
        times: u64,
    },
    /// The input starts with several byte order marks. None is part of the first name.
    ByteOrderMarks {
        /// The input.
        input: Arc<str>,
        /// Their number.
        marks: usize,
    },
    /// The header looks like the records below it.
    HeaderLooksLikeData {
        /// The input.
        input: Arc<str>,
        /// A name in the header that looks like the values below it.
        name: String,
    },
    /// The input is in the Variant Call Format, whose comments are read as records.
    VariantCallFormat {
        /// The input.
        input: Arc<str>,
    },
    /// Names of columns start or end with blanks.
    PaddedNames {
        /// The input.
        input: Arc<str>,
        /// The number of these names.
        count: usize,
        /// The first of them.
        name: String,
    },
    /// The first line has fewer fields than most others, or fewer before empty ones, as the title of a report has.
    ShortFirstLine {
        /// The input.
        input: Arc<str>,
        /// The number of its fields, without empty ones at its end.
        fields: usize,
        /// The number of fields that most records have.
        common_fields: usize,
        /// The delimiter of these records.
        delimiter: Delimiter,
        /// The number of lines before the first of them.
        lines: u64,
    },
    /// Records end with a delimiter, and the header does not.
    TrailingDelimiters {
        /// The input.
        input: Arc<str>,
        /// The delimiter.
        delimiter: Delimiter,
    },
    /// The delimiter does not occur in the header, and another one separates fields in all lines.
    OtherDelimiter {
        /// The input.
        input: Arc<str>,
        /// The delimiter of the plan.
        delimiter: Delimiter,
        /// The one that fits.
        fitting: Delimiter,
        /// The number of fields that it gives.
        fields: usize,
    },
    /// A field starts with a blank and a quote, which then encloses nothing.
    BlankBeforeQuote {
        /// The input.
        input: Arc<str>,
        /// The line of the first one, counted from 1.
        line: u64,
    },
    /// Nothing was rejected, so the file for rejects is that of an earlier load.
    OldRejects {
        /// The file.
        file: PathBuf,
    },
    /// Records that look wrong.
    Records {
        /// The input.
        input: Arc<str>,
        /// What looks wrong.
        oddity: Oddity,
        /// The number of records; of values for [`Oddity::TextAfterQuote`], of lines for [`Oddity::BlankLine`].
        count: u64,
        /// The line of the first one, counted from 1.
        line: u64,
    },
}

/// What looks wrong in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Oddity {
    /// A value has text after its closing quote, as in `"say \"hi\""`.
    TextAfterQuote,
    /// The record equals the header.
    RepeatedHeader,
    /// The record starts with a byte order mark.
    ByteOrderMark,
    /// No field of the record has a value.
    EmptyRecord,
    /// The record ends with a CR, while the header ends with an LF.
    LoneCr,
    /// The record ends with an LF, while the header ends with a CRLF.
    LoneLf,
    /// The record ends with a CRLF, while the header ends with an LF.
    CrLf,
    /// A line without a character, where records have one field.
    BlankLine,
}

impl Oddity {
    /// All of them, in the order of their declaration.
    pub(crate) const ALL: [Self; 8] = [
        Self::TextAfterQuote,
        Self::RepeatedHeader,
        Self::ByteOrderMark,
        Self::EmptyRecord,
        Self::LoneCr,
        Self::LoneLf,
        Self::CrLf,
        Self::BlankLine,
    ];
}

/// A delimiter in quotes.
pub(crate) fn quoted(delimiter: Delimiter) -> String {
    let text = String::from_utf8_lossy(delimiter.as_bytes()).into_owned();
    format!("'{}'", text.escape_debug().to_string().replace("\\\"", "\"").replace("\\\\", "\\"))
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AfterCommit(failure) => f.write_str(failure),
            Self::SameFile { input, times } => write!(f, "{input}: the same file is loaded {times} times"),
            Self::ByteOrderMarks { input, marks } => {
                write!(f, "{input}: the input starts with {marks} byte order marks, which are left out")
            }
            Self::HeaderLooksLikeData { input, name } => {
                write!(f, "{input}: the header looks like data: {name:?} is like the values below it")
            }
            Self::VariantCallFormat { input } => write!(f, "{input}: the first line is that of a VCF file"),
            Self::PaddedNames { input, count: 1, name } => {
                write!(f, "{input}: the name of a column has blanks around it: {name:?}")
            }
            Self::PaddedNames { input, count, name } => {
                write!(f, "{input}: the names of {count} columns have blanks around them, such as {name:?}")
            }
            Self::ShortFirstLine { input, fields, common_fields, delimiter, lines } => write!(
                f,
                "{input}: the first line has {}, but most records after line {lines} have {common_fields}, separated by {}",
                count(*fields as u64, "field"),
                quoted(*delimiter),
            ),
            Self::TrailingDelimiters { input, delimiter } => {
                write!(f, "{input}: records end with the delimiter {}, unlike the header", quoted(*delimiter))
            }
            Self::OtherDelimiter { input, delimiter, fitting, fields } => write!(
                f,
                "{input}: the delimiter {} does not occur in the header; {} would give {}",
                quoted(*delimiter),
                quoted(*fitting),
                count(*fields as u64, "field"),
            ),
            Self::BlankBeforeQuote { input, line } => {
                write!(f, "{input}: a quote after a blank is part of the value (the first at line {line})")
            }
            Self::OldRejects { file } => {
                write!(f, "nothing was rejected; {} is from an earlier load", file.display())
            }
            Self::Records { input, oddity, count, line } => write_records(f, input, *oddity, *count, *line),
        }
    }
}

fn write_records(
    f: &mut fmt::Formatter<'_>,
    input: &str,
    oddity: Oddity,
    number: u64,
    line: u64,
) -> fmt::Result {
    let noun = match oddity {
        Oddity::TextAfterQuote => "value",
        Oddity::BlankLine => "line",
        _ => "record",
    };
    let (one, many) = match oddity {
        Oddity::TextAfterQuote => ("has text after its closing quote", "have text after their closing quote"),
        Oddity::RepeatedHeader => ("repeats the header", "repeat the header"),
        Oddity::ByteOrderMark => ("starts with a byte order mark", "start with a byte order mark"),
        Oddity::EmptyRecord => ("has no value in any field", "have no value in any field"),
        Oddity::LoneCr => ("ends with a CR instead of an LF", "end with a CR instead of an LF"),
        Oddity::LoneLf => ("ends with an LF instead of a CRLF", "end with an LF instead of a CRLF"),
        Oddity::CrLf => ("ends with a CRLF instead of an LF", "end with a CRLF instead of an LF"),
        Oddity::BlankLine => ("is blank, and no record", "are blank, and no records"),
    };
    let (verb, first) = if number == 1 { (one, "") } else { (many, "the first at ") };
    write!(f, "{input}: {} {verb} ({first}line {line})", count(number, noun))
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
