//! Archives: their members, and which of them are inputs.

#[cfg(feature = "tar")]
pub(super) mod tar;
#[cfg(feature = "zip")]
mod zip;

use super::compression::ByteStream;
use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// The number of members that a message names.
const MAX_NAMES: usize = 5;

/// The format of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArchiveFormat {
    Zip,
    Tar,
}

impl ArchiveFormat {
    /// The Cargo feature without which this build cannot read the format, if it is disabled.
    pub(super) fn missing_feature(self) -> Option<&'static str> {
        let (feature, is_enabled) = match self {
            Self::Zip => ("zip", cfg!(feature = "zip")),
            Self::Tar => ("tar", cfg!(feature = "tar")),
        };
        (!is_enabled).then_some(feature)
    }
}

/// An archive whose members can be read at any time, also several at once.
pub(super) trait Archive: fmt::Debug + Send + Sync {
    /// The content of the member with this index.
    ///
    /// # Errors
    /// If it is encrypted or cannot be read.
    fn open(&self, index: usize) -> io::Result<ByteStream>;
}

/// An archive and its members.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) archive: Arc<dyn Archive>,
    pub(super) members: Vec<Member>,
}

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) kind: MemberKind,
}

/// What a member of an archive is.
#[cfg_attr(
    not(any(feature = "tar", feature = "zip")),
    expect(dead_code, reason = "this build reads no archives")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberKind {
    File,
    /// A file without content.
    EmptyFile,
    Folder,
    /// A link or a device.
    Other,
}

impl Directory {
    /// Reads the directory of the archive in `file`.
    ///
    /// # Errors
    /// If it cannot be read, or two files have the same name.
    pub(super) fn read(file: Arc<File>, format: ArchiveFormat) -> io::Result<Self> {
        let directory = read_members(file, format)?;
        let mut names = HashSet::new();
        let mut files = directory.members.iter().filter(|member| member.kind.is_file());
        match files.find(|member| !names.insert(&member.name)) {
            None => Ok(directory),
            Some(member) => {
                let error = format!("two files in the archive have the same name, {:?}", member.name);
                Err(io::Error::other(error))
            }
        }
    }

    /// The members that are inputs, and the names of the others: the members that `selection` selects or, without one, all
    /// files except for empty ones, those that describe the archive, and those that macOS adds.
    ///
    /// A selection is the name of a member, or a pattern. If it contains no slash, it may match in any folder.
    ///
    /// # Errors
    /// If there are none.
    pub(super) fn select(&self, selection: Option<&str>) -> io::Result<(Vec<Member>, Vec<String>)> {
        let Some(selection) = selection else {
            let (inputs, others): (Vec<_>, Vec<_>) = self.members.iter().cloned().partition(is_input);
            let others: Vec<_> = others.into_iter().map(|member| member.name).collect();
            return match inputs.is_empty() {
                true => {
                    Err(io::Error::other(format!("the archive contains no files to load{}", listed(&others))))
                }
                false => Ok((inputs, others)),
            };
        };
        let files: Vec<_> = self.members.iter().filter(|member| member.kind.is_file()).cloned().collect();
        let has_name = |member: &&Member| member.name == selection;
        let (mut selected, mut skipped) = (Vec::new(), Vec::new());
        match files.iter().find(has_name) {
            Some(member) => selected.push(member.clone()),
            None => {
                let pattern = super::paths::MemberPattern::new(selection)?;
                let matching = files.iter().filter(|member| pattern.matches(&member.name)).cloned();
                (selected, skipped) = matching.partition(|member| member.kind == MemberKind::File);
            }
        }
        if selected.is_empty() {
            selected = std::mem::take(&mut skipped);
        }
        if selected.is_empty() {
            let names: Vec<_> = files.into_iter().map(|member| member.name).collect();
            let error = format!("no file in the archive matches {selection:?}{}", listed(&names));
            return Err(io::Error::other(error));
        }
        Ok((selected, skipped.into_iter().map(|member| member.name).collect()))
    }
}

/// Reads the directory of an archive in a format of this build.
fn read_members(file: Arc<File>, format: ArchiveFormat) -> io::Result<Directory> {
    match format {
        #[cfg(feature = "zip")]
        ArchiveFormat::Zip => zip::read(file),
        #[cfg(feature = "tar")]
        ArchiveFormat::Tar => tar::read(file),
        // `missing_feature` reports it before.
        #[cfg(not(all(feature = "zip", feature = "tar")))]
        _ => {
            drop(file);
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}

impl MemberKind {
    fn is_file(self) -> bool {
        matches!(self, Self::File | Self::EmptyFile)
    }
}

/// True if a member is an input unless other members are selected.
fn is_input(member: &Member) -> bool {
    let name = member.name.rsplit('/').next().unwrap_or_default();
    let is_of_macos = member.name.split('/').any(|folder| folder == "__MACOSX")
        || name == ".DS_Store"
        || name.starts_with("._");
    let name = name.to_ascii_lowercase();
    let is_readme = name.starts_with("readme") && (name.ends_with(".txt") || name.ends_with(".md"));
    member.kind == MemberKind::File && !is_of_macos && !is_readme
}

/// The members of an archive, as the end of a message.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("; it contains {}", name_list(names)),
    }
}

/// Names in a message; only the first ones if there are many.
pub(crate) fn name_list(names: &[String]) -> String {
    let mut list =
        names.iter().take(MAX_NAMES).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    if names.len() > MAX_NAMES {
        list += &format!(" and {} more", names.len() - MAX_NAMES);
    }
    list
}

/// Detects an archive that starts with these bytes. They must include the first header of a tar archive.
pub(super) fn detect(first: &[u8]) -> Option<ArchiveFormat> {
    match first {
        // APPNOTE.TXT 4.3.7; 4.3.16 if it is empty.
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(ArchiveFormat::Zip),
        _ if is_tar_header(first) => Some(ArchiveFormat::Tar),
        _ => None,
    }
}

/// The size of a header in a tar archive.
pub(super) const TAR_HEADER_BYTES: usize = 512;

/// True if bytes start with the header of a member of a tar archive: its checksum is that of the header, with blanks in the
/// place of the checksum.
fn is_tar_header(first: &[u8]) -> bool {
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let Some(header) = first.get(..TAR_HEADER_BYTES).filter(|header| header[0] != 0) else { return false };
    let digits = std::str::from_utf8(&header[CHECKSUM]).unwrap_or_default();
    let checksum = u32::from_str_radix(digits.trim_matches([' ', '\0']), 8);
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let blanks = u32::from(b' ') * CHECKSUM.len() as u32;
    checksum == Ok(sum(header) - sum(&header[CHECKSUM]) + blanks)
}

/// A file with a position of its own, so that several readers can share it.
#[cfg(any(feature = "tar", feature = "zip"))]
#[derive(Debug)]
struct PositionedFile {
    file: Arc<File>,
    position: u64,
    /// Bytes of the file, because headers are read in small parts.
    buffer: Vec<u8>,
    buffer_at: u64,
}

#[cfg(any(feature = "tar", feature = "zip"))]
impl PositionedFile {
    fn new(file: Arc<File>, position: u64) -> Self {
        Self { file, position, buffer: Vec::new(), buffer_at: 0 }
    }
}

/// The clone has a buffer of its own.
#[cfg(any(feature = "tar", feature = "zip"))]
impl Clone for PositionedFile {
    fn clone(&self) -> Self {
        Self::new(self.file.clone(), self.position)
    }
}

#[cfg(any(feature = "tar", feature = "zip"))]
impl io::Read for PositionedFile {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        const BUFFER_BYTES: usize = 4096;
        let buffered = |reader: &Self| {
            let start = usize::try_from(reader.position.checked_sub(reader.buffer_at)?).ok()?;
            reader.buffer.get(start..).map(<[u8]>::len).filter(|bytes| *bytes > 0)
        };
        if to.len() >= BUFFER_BYTES {
            let bytes = self.file.read_at(to, self.position)?;
            self.position += bytes as u64;
            return Ok(bytes);
        }
        if buffered(self).is_none() {
            self.buffer.resize(BUFFER_BYTES, 0);
            let bytes = self.file.read_at(&mut self.buffer, self.position);
            self.buffer.truncate(*bytes.as_ref().unwrap_or(&0));
            self.buffer_at = self.position;
            bytes?;
        }
        let left = buffered(self).unwrap_or(0);
        let bytes = left.min(to.len());
        let start = self.buffer.len() - left;
        to[..bytes].copy_from_slice(&self.buffer[start..start + bytes]);
        self.position += bytes as u64;
        Ok(bytes)
    }
}

#[cfg(any(feature = "tar", feature = "zip"))]
impl io::Seek for PositionedFile {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let position = match to {
            io::SeekFrom::Start(position) => Some(position),
            io::SeekFrom::Current(by) => self.position.checked_add_signed(by),
            io::SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nothing;

    impl Archive for Nothing {
        fn open(&self, _: usize) -> io::Result<ByteStream> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn directory(names: &[&str]) -> Directory {
        let member = |(index, name): (usize, &&str)| {
            let kind = match name {
                _ if name.ends_with('/') => MemberKind::Folder,
                _ if name.contains("empty") => MemberKind::EmptyFile,
                _ => MemberKind::File,
            };
            Member { index, name: (*name).to_owned(), kind }
        };
        Directory { archive: Arc::new(Nothing), members: names.iter().enumerate().map(member).collect() }
    }

    fn names(members: Vec<Member>) -> Vec<String> {
        members.into_iter().map(|member| member.name).collect()
    }

    const NAMES: [&str; 12] = [
        "a.csv",
        "sub/",
        "sub/b.csv",
        "sub/c.txt",
        "__MACOSX/._a.csv",
        "._b.csv",
        ".DS_Store",
        "sub/.DS_Store",
        "readme.txt",
        "sub/README-feed.md",
        "README",
        "empty.csv",
    ];

    #[test]
    fn files_that_are_no_data_are_skipped() {
        let (inputs, skipped) = directory(&NAMES).select(None).unwrap();
        assert_eq!(names(inputs), ["a.csv", "sub/b.csv", "sub/c.txt", "README"]);
        assert_eq!(skipped.len(), NAMES.len() - 4);
        let error = directory(&["sub/", "readme.txt"]).select(None).unwrap_err().to_string();
        assert_eq!(error, "the archive contains no files to load; it contains \"sub/\", \"readme.txt\"");
    }

    #[test]
    fn a_selection_is_a_name_or_a_pattern() {
        let directory = directory(&NAMES);
        let cases: [(&str, &[&str]); 9] = [
            ("a.csv", &["a.csv"]),
            ("readme.txt", &["readme.txt"]),
            ("empty.csv", &["empty.csv"]),
            ("b.csv", &["sub/b.csv"]),
            ("*.csv", &["a.csv", "sub/b.csv"]),
            ("sub/*", &["sub/b.csv", "sub/c.txt", "sub/README-feed.md"]),
            ("sub/?.csv", &["sub/b.csv"]),
            (".DS_Store", &[".DS_Store"]),
            ("__MACOSX/._a.csv", &["__MACOSX/._a.csv"]),
        ];
        for (selection, expected) in cases {
            assert_eq!(names(directory.select(Some(selection)).unwrap().0), expected, "{selection}");
        }
        assert_eq!(directory.select(Some("*.csv")).unwrap().1, ["empty.csv"]);
        assert_eq!(names(directory.select(Some("e*")).unwrap().0), ["empty.csv"]);
        let error = directory.select(Some("d.*")).unwrap_err().to_string();
        assert!(
            error.starts_with("no file in the archive matches \"d.*\"; it contains \"a.csv\", "),
            "{error}"
        );
        assert!(error.ends_with("and 6 more"), "{error}");
        directory.select(Some("sub/")).unwrap_err();
        directory.select(Some("[")).unwrap_err();
    }
}
