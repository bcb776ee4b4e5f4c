//! Recognizes inputs that are not CSV by their content.
//!
//! A false alarm keeps somebody from loading a file, so each rule asks for more than a CSV file can contain by chance:
//! bytes that are not text behind a signature of letters, the whole first tag of a page, the first JSON value.

use crate::error::FileFormat;
use serde::de::IgnoredAny;

/// The number of bytes from the start of an input that decide.
pub(crate) const RECOGNIZED_BYTES: usize = 4 << 10;

/// Signatures that no text starts with.
const BINARY_SIGNATURES: [(&[u8], FileFormat); 24] = [
    (b"ARROW1\0\0", FileFormat::Arrow),
    (b"FEA1\0", FileFormat::Arrow),
    // A stream: the marker of a message, followed by the length of its metadata.
    (b"\xff\xff\xff\xff", FileFormat::Arrow),
    (b"Obj\x01", FileFormat::Avro),
    (b"\x89HDF\r\n\x1a\n", FileFormat::Hdf5),
    (b"\x93NUMPY", FileFormat::NumPy),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileFormat::Excel),
    // The same, read as Windows-1252.
    ("\u{d0}\u{cf}\u{11}\u{e0}\u{a1}\u{b1}\u{1a}\u{e1}".as_bytes(), FileFormat::Excel),
    // Workbooks of Excel 2 to 5 that are not compound files.
    (b"\x09\x00\x04\x00", FileFormat::Excel),
    (b"\x09\x02\x06\x00", FileFormat::Excel),
    (b"\x09\x04\x06\x00", FileFormat::Excel),
    (b"\x09\x08\x08\x00", FileFormat::Excel),
    (b"SQLite format 3\0", FileFormat::Sqlite),
    (b"7z\xbc\xaf\x27\x1c", FileFormat::SevenZip),
    (b"Rar!\x1a\x07", FileFormat::Rar),
    (b"\x1f\x9d", FileFormat::Compressed("compress")),
    (b"\x04\x22\x4d\x18", FileFormat::Compressed("lz4")),
    (b"\xff\x06\x00\x00sNaPpY", FileFormat::Compressed("snappy")),
    (b"LZIP\x01", FileFormat::Compressed("lzip")),
    // The input has already been decompressed, or is a member of an archive.
    (b"\x1f\x8b\x08", FileFormat::CompressedTwice("gzip")),
    (b"\x28\xb5\x2f\xfd", FileFormat::CompressedTwice("zstd")),
    (b"\xfd7zXZ\0", FileFormat::CompressedTwice("xz")),
    (b"BZh91AY&SY", FileFormat::CompressedTwice("bzip2")),
    (b"PK\x03\x04", FileFormat::CompressedTwice("zip")),
];

/// Recognizes the format of an input that starts with `bytes`; `None` if it may be CSV.
pub(crate) fn recognize(bytes: &[u8]) -> Option<FileFormat> {
    let recognized = recognize_binary(bytes).or_else(|| recognize_text(bytes));
    recognized.or_else(|| recognize_utf_16(bytes)).or_else(|| is_utf_32(bytes).then_some(FileFormat::Utf32))
}

/// Recognizes a zip archive whose files have these names, if it is a document rather than an archive of inputs.
pub(crate) fn recognize_zip<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Option<FileFormat> {
    let has = |name: &str| names.clone().any(|other| other == name);
    let has_folder = |folder: &str| names.clone().any(|name| name.starts_with(folder));
    if has("[Content_Types].xml") {
        Some(if has_folder("xl/") { FileFormat::Excel } else { FileFormat::OfficeDocument })
    } else if has("mimetype") && has("content.xml") {
        Some(FileFormat::OpenDocument)
    } else {
        None
    }
}

fn recognize_binary(bytes: &[u8]) -> Option<FileFormat> {
    let signature = BINARY_SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature));
    if let Some((_, format)) = signature {
        return Some(*format);
    }
    let has_binary_at = |at: usize| bytes.get(at).is_some_and(|byte| !is_text(*byte));
    if (bytes.starts_with(b"PAR1") || bytes.starts_with(b"PARE")) && has_binary_at(4) {
        Some(FileFormat::Parquet)
    } else if bytes.starts_with(b"ORC") && has_binary_at(3) {
        Some(FileFormat::Orc)
    } else if bytes.get(8..12) == Some(b"DUCK") && has_binary_at(13) {
        Some(FileFormat::DuckDb)
    } else {
        is_tar(bytes).then_some(FileFormat::Tar)
    }
}

/// True for every byte that a text in UTF-8 may contain, apart from control characters other than tab and line ends.
fn is_text(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r')
}

/// Recognizes UTF-16 without a byte order mark: every other byte is NUL in at least half of the first characters, as in ASCII, and no
/// other byte is. A delimiter of NUL has a line end, or another byte, in its place somewhere.
fn recognize_utf_16(bytes: &[u8]) -> Option<FileFormat> {
    const MIN_CHARS: usize = 4;
    const MAX_CHARS: usize = 128;
    let (chars, _) = bytes.as_chunks::<2>();
    let chars = &chars[..chars.len().min(MAX_CHARS)];
    let is_utf_16 = |high: usize| {
        let is_ascii = |char: &&[u8; 2]| char[high] == 0;
        let is_possible = |char: &[u8; 2]| char[1 - high] != 0 && !matches!(char[high], b'\n' | b'\r');
        2 * chars.iter().filter(is_ascii).count() >= chars.len() && chars.iter().all(is_possible)
    };
    match chars.len() {
        ..MIN_CHARS => None,
        _ if is_utf_16(1) => Some(FileFormat::Utf16Le),
        _ => is_utf_16(0).then_some(FileFormat::Utf16Be),
    }
}

/// True for UTF-32 without a byte order mark: all of the first characters are characters of Unicode other than NUL.
fn is_utf_32(bytes: &[u8]) -> bool {
    const MIN_CHARS: usize = 4;
    let (chars, _) = bytes.as_chunks::<4>();
    let is_char = |code: u32| code != 0 && char::from_u32(code).is_some();
    chars.len() >= MIN_CHARS
        && (chars.iter().all(|char| is_char(u32::from_le_bytes(*char)))
            || chars.iter().all(|char| is_char(u32::from_be_bytes(*char))))
}

/// True if the first 512 bytes are the header of a tar archive: its checksum is right (POSIX.1-1988, section 10.1.1).
fn is_tar(bytes: &[u8]) -> bool {
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let Some(header) = bytes.get(..512).filter(|header| header[0] != 0) else { return false };
    let digits = header[CHECKSUM].trim_ascii_start();
    let digits = digits.split(|byte| !byte.is_ascii_digit()).next().unwrap_or_default();
    let checksum = std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 8).ok());
    // The checksum itself counts as blanks.
    let byte_or_blank = |(at, byte): (usize, &u8)| if CHECKSUM.contains(&at) { b' ' } else { *byte };
    let sum = header.iter().enumerate().map(byte_or_blank).map(u32::from).sum();
    checksum == Some(sum)
}

fn recognize_text(bytes: &[u8]) -> Option<FileFormat> {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start();
    match text {
        [b'{' | b'[', ..] => recognize_json(text),
        [RECORD_SEPARATOR, b'{' | b'[', ..] => Some(FileFormat::JsonSequence),
        [b'<', ..] => recognize_markup(text),
        [b'%', b'P', b'D', b'F', b'-', b'0'..=b'9', b'.', ..] => Some(FileFormat::Pdf),
        _ => {
            text.starts_with(b"version https://git-lfs.github.com/spec/").then_some(FileFormat::GitLfsPointer)
        }
    }
}

/// Precedes each value of a JSON text sequence (RFC 7464, section 2.2).
const RECORD_SEPARATOR: u8 = 0x1e;

/// Recognizes JSON in a text that starts with a bracket. A CSV field may start with one, too.
fn recognize_json(text: &[u8]) -> Option<FileFormat> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    match values.next()? {
        Err(error) if error.is_eof() => Some(FileFormat::Json),
        // Some programs write NaN, which is not JSON.
        Err(_) if !starts_with_member(text) => None,
        Err(_) if text[0] == b'{' => Some(FileFormat::JsonObjects),
        Err(_) => Some(FileFormat::Json),
        Ok(_) => {
            let rest = &text[values.byte_offset()..];
            let next = rest.trim_ascii_start();
            let next_line = rest.iter().position(|byte| *byte == b'\n').map(|end| &rest[end..]);
            match next.first() {
                None => Some(FileFormat::Json),
                // In a CSV file there would be a delimiter.
                Some(b'{') if text[0] == b'{' && rest.iter().find(|byte| **byte != b' ') == Some(&b'{') => {
                    Some(FileFormat::JsonObjects)
                }
                // More on the same line: a field of a record that starts with JSON.
                Some(_) if next_line.is_none_or(|line| line.len() < next.len()) => None,
                Some(first) => (*first == text[0]).then_some(FileFormat::JsonLines),
            }
        }
    }
}

/// True if the text starts with an object that has a name and a colon, or with a list of such objects.
fn starts_with_member(text: &[u8]) -> bool {
    let object = text.strip_prefix(b"[").unwrap_or(text).trim_ascii_start();
    let Some(name) = object.strip_prefix(b"{") else { return false };
    let mut name = serde_json::Deserializer::from_slice(name).into_iter::<String>();
    let is_name = name.next().is_some_and(|name| name.is_ok());
    let rest = &object[1 + name.byte_offset()..];
    is_name && rest.trim_ascii_start().starts_with(b":")
}

/// Recognizes HTML and XML in a text that starts with `<`.
fn recognize_markup(text: &[u8]) -> Option<FileFormat> {
    const HTML: [&str; 9] =
        ["!doctype html", "html", "head", "body", "table", "div", "script", "title", "meta"];
    let is_tag = |name: &&str| {
        let start = text.get(1..=name.len()).unwrap_or_default();
        let next = text.get(name.len() + 1);
        start.eq_ignore_ascii_case(name.as_bytes())
            && next.is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
    };
    let first_line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let after_tag = first_line.splitn(2, |byte| *byte == b'>').nth(1);
    let is_declared = [&b"<?xml "[..], b"<!--", b"<!DOCTYPE "].iter().any(|start| text.starts_with(start));
    let is_element = text.get(1).is_some_and(u8::is_ascii_alphabetic)
        && first_line.trim_ascii_end().ends_with(b">")
        && after_tag.is_some_and(|rest| !matches!(rest, [b',' | b';' | b'\t' | b'|', ..]));
    if HTML.iter().any(is_tag) {
        Some(FileFormat::Html)
    } else {
        (is_declared || is_element).then_some(FileFormat::Xml)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_can_be_examined(
            start in prop::sample::select(vec!["", "{", "[", "[{\"", "{\"a\":1}", "<", "<html", "PAR1", "%PDF-"]),
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\"<>:,\n a1\\".to_vec())], 0..40),
        ) {
            recognize(&[start.as_bytes(), &bytes].concat());
        }
    }

    #[test]
    fn other_formats_are_recognized() {
        let cases: [(&[u8], FileFormat); 35] = [
            (b"a\0,\0b\0\n\0c\0", FileFormat::Utf16Le),
            (b"\0a\0,\x04\x30\0\n", FileFormat::Utf16Be),
            (b"a\0;\0\x30\x04\n\0\x31", FileFormat::Utf16Le),
            (b"PAR1\x15\x04\nabc\nPAR1", FileFormat::Parquet),
            (b"ARROW1\0\0\xff\xff\xff\xff", FileFormat::Arrow),
            (b"\xff\xff\xff\xff\xa0\0\0\0", FileFormat::Arrow),
            (b"ORC\x11\0\0", FileFormat::Orc),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\n1,2\n", FileFormat::Excel),
            (b"SQLite format 3\0\x10\0", FileFormat::Sqlite),
            (b"0123456\0DUCK\x40\0\0", FileFormat::DuckDb),
            (b"7z\xbc\xaf\x27\x1c\0\x04", FileFormat::SevenZip),
            (b"Rar!\x1a\x07\x01\0", FileFormat::Rar),
            (b"\x1f\x8b\x08\0", FileFormat::CompressedTwice("gzip")),
            (b"%PDF-1.7\n", FileFormat::Pdf),
            (b"<!DOCTYPE html>\n<html>", FileFormat::Html),
            (b"\n <html lang=\"en\">", FileFormat::Html),
            (b"<table><tr><td>1</td>", FileFormat::Html),
            (b"\xef\xbb\xbf<?xml version=\"1.0\"?><a/>", FileFormat::Xml),
            (b"<rows>\n<row a=\"1\"/>\n</rows>", FileFormat::Xml),
            (b"[{\"a\":1,\"b\":2},{\"a\":3,\"b\":4}]", FileFormat::Json),
            (b"{\"a\": [1, 2", FileFormat::Json),
            (b"{\n  \"a\": NaN\n}", FileFormat::JsonObjects),
            (b"{\"a\":NaN}\n{\"a\":1}\n", FileFormat::JsonObjects),
            (b"{\"a\":1}{\"a\":2}", FileFormat::JsonObjects),
            (b"{\"a\":1} {\"a\":2}\n{\"a\":3}\n", FileFormat::JsonObjects),
            (b"\x1e{\"a\":1}\n\x1e{\"a\":2}\n", FileFormat::JsonSequence),
            (b"a\0\0\0,\0\0\0\x30\x04\0\0\n\0\0\0", FileFormat::Utf32),
            (b"\0\0\0a\0\0\0,\0\x01\xf6\0\0\0\0\n", FileFormat::Utf32),
            (b"[\n{\"a\": NaN}]", FileFormat::Json),
            (b"[]\n", FileFormat::Json),
            (b"{\"a\":1,\"b\":2}\n{\"a\":3,\"b\":4}\n", FileFormat::JsonLines),
            (b"{\"a\":1}\r\n{\"a\":", FileFormat::JsonLines),
            (b"[1,\"x\"]\n[2,\"y\"]\n", FileFormat::JsonLines),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\n", FileFormat::GitLfsPointer),
            (b"\xff\x06\x00\x00sNaPpY", FileFormat::Compressed("snappy")),
        ];
        for (bytes, expected) in cases {
            assert_eq!(recognize(bytes), Some(expected), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn csv_is_not_mistaken_for_another_format() {
        let cases = [
            "",
            "a,b\n1,2\n",
            "PAR1,PAR2\n1,2\n",
            "ORC,elf\n1,2\n",
            "BZh9,b\n",
            "[Id],[Name]\n1,2\n",
            "[1],[2]\n",
            "[1,2],3\n[4,5],6\n",
            "{a},{b}\n",
            "{\"a\":1}\t2024\n{\"a\":2}\t2025\n",
            "{\"a\":1},{\"b\":2}\n",
            "{\"meta\":1}\nid,name\n1,x\n",
            "<5,>5\n1,2\n",
            "<name>,<age>,x\n",
            "<name>,<age>\n",
            "%PDF,x\n",
            "\"<html>\",b\n",
            "version,https\n",
            "# comment\n",
            "a\0b\n1\u{0}2\n",
            "a\0b\0c\n1\u{0}2\u{0}3\n",
            "a\0\0\0\0\0\0\0",
        ];
        for csv in cases {
            assert_eq!(recognize(csv.as_bytes()), None, "{csv:?}");
        }
    }

    #[test]
    fn a_tar_archive_has_a_checksum() {
        let mut header = vec![0; 512];
        header[..8].copy_from_slice(b"word.txt");
        header[100..107].copy_from_slice(b"0000644");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        assert_eq!(recognize(&header), Some(FileFormat::Tar));
        header[0] = b'W';
        assert_eq!(recognize(&header), None);
        assert_eq!(recognize(&[0; 512]), None);
        assert_eq!(recognize(&[b' '; 512]), None);
    }

    #[test]
    fn documents_in_zip_archives_are_recognized() {
        let recognized = |names: &[&'static str]| recognize_zip(names.iter().copied());
        assert_eq!(recognized(&["[Content_Types].xml", "xl/workbook.xml"]), Some(FileFormat::Excel));
        assert_eq!(
            recognized(&["[Content_Types].xml", "word/document.xml"]),
            Some(FileFormat::OfficeDocument)
        );
        assert_eq!(recognized(&["mimetype", "content.xml"]), Some(FileFormat::OpenDocument));
        assert_eq!(recognized(&["content.xml"]), None);
        assert_eq!(recognized(&["a.csv", "xl/b.csv"]), None);
    }
}
