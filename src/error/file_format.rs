//! File formats that are not CSV.

use std::fmt;

/// A file format other than CSV, recognized by the content of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow: an IPC file or stream, or a Feather file.
    Arrow,
    /// Apache Avro.
    Avro,
    /// Apache ORC.
    Orc,
    /// HDF5.
    Hdf5,
    /// An array of NumPy.
    NumPy,
    /// An Excel workbook: xlsx, xlsm, xlsb or xls.
    Excel,
    /// An OpenDocument file, such as an ods spreadsheet.
    OpenDocument,
    /// A Word or PowerPoint file.
    OfficeDocument,
    /// A SQLite database.
    Sqlite,
    /// A DuckDB database.
    DuckDb,
    /// A tar archive.
    Tar,
    /// A 7z archive.
    SevenZip,
    /// A rar archive.
    Rar,
    /// Data in a compression format that cannot be read: the name of the format.
    Compressed(&'static str),
    /// Compressed data inside a compressed file or an archive: the name of the inner format.
    CompressedTwice(&'static str),
    /// A PDF document.
    Pdf,
    /// A web page.
    Html,
    /// An XML document.
    Xml,
    /// A JSON document.
    Json,
    /// JSON Lines: a JSON value on each line.
    JsonLines,
    /// JSON objects that follow each other on a line, or that are not valid.
    JsonObjects,
    /// A JSON text sequence: a record separator before each value (RFC 7464).
    JsonSequence,
    /// A pointer of Git LFS, which stands for a file that was not downloaded.
    GitLfsPointer,
    /// Text in UTF-16, little-endian, without a byte order mark.
    Utf16Le,
    /// Text in UTF-16, big-endian, without a byte order mark.
    Utf16Be,
    /// Text in UTF-32.
    Utf32,
}

impl fmt::Display for FileFormat {
    /// The format with its article.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parquet => "a Parquet file",
            Self::Arrow => "an Arrow file",
            Self::Avro => "an Avro file",
            Self::Orc => "an ORC file",
            Self::Hdf5 => "an HDF5 file",
            Self::NumPy => "a NumPy array",
            Self::Excel => "an Excel workbook",
            Self::OpenDocument => "an OpenDocument file",
            Self::OfficeDocument => "a document of an office suite",
            Self::Sqlite => "a SQLite database",
            Self::DuckDb => "a DuckDB database",
            Self::Tar => "a tar archive",
            Self::SevenZip => "a 7z archive",
            Self::Rar => "a rar archive",
            Self::Compressed(name) => return write!(f, "compressed with {name}, which sqload cannot read"),
            Self::CompressedTwice(name) => {
                return write!(f, "{name} data inside another compressed file or an archive");
            }
            Self::Pdf => "a PDF document",
            Self::Html => "an HTML page",
            Self::Xml => "an XML document",
            Self::Json => "a JSON document",
            Self::JsonLines => "a JSON Lines file whose values are not objects",
            Self::JsonObjects => "JSON, but not one valid object on each line",
            Self::JsonSequence => "a JSON text sequence, with a record separator before each value",
            Self::GitLfsPointer => "a Git LFS pointer, not the file itself",
            Self::Utf16Le | Self::Utf16Be => "text in UTF-16 without a byte order mark",
            Self::Utf32 => "text in UTF-32",
        })
    }
}
