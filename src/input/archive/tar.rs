//! Tar archives (POSIX ustar and pax, GNU, and the older format).

use super::{Archive, ByteStream, Directory, Member, MemberKind, PositionedFile};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::sync::Arc;

/// A tar archive.
#[derive(Debug)]
struct TarFile {
    file: Arc<File>,
    /// Where the content of each member is.
    contents: Vec<Range<u64>>,
}

impl Archive for TarFile {
    fn open(&self, index: usize) -> io::Result<ByteStream> {
        let Range { start, end } = self.contents[index].clone();
        let content = PositionedFile::new(self.file.clone(), start);
        Ok(Box::new(content.take(end - start)))
    }
}

/// A member of a tar archive.
#[derive(Debug, PartialEq, Eq)]
pub struct TarMember {
    /// Its path.
    pub name: String,
    /// Where in the archive its content is.
    pub content: Range<u64>,
    kind: MemberKind,
}

impl TarMember {
    /// True if it is a file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind.is_file()
    }
}

/// The directory of the archive in `file`.
pub(super) fn read(file: Arc<File>) -> io::Result<Directory> {
    let bytes = file.metadata()?.len();
    let found = tar_members(PositionedFile::new(file.clone(), 0), bytes)?;
    let member = |(index, TarMember { name, kind, .. }): (usize, &TarMember)| Member {
        index,
        name: name.clone(),
        kind: *kind,
    };
    let members = found.iter().enumerate().map(member).collect();
    let contents = found.into_iter().map(|member| member.content).collect();
    Ok(Directory { archive: Arc::new(TarFile { file, contents }), members })
}

/// The members of an archive of this size.
///
/// # Errors
/// If it cannot be read, ends within a member, or contains a sparse file.
pub fn tar_members(archive: impl Read + Seek, bytes: u64) -> io::Result<Vec<TarMember>> {
    let mut members = Vec::new();
    for entry in ::tar::Archive::new(archive).entries_with_seek()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = path.trim_start_matches("./").to_owned();
        let entry_type = entry.header().entry_type();
        if entry_type.is_pax_global_extensions() || name.is_empty() {
            continue;
        }
        if entry_type.is_gnu_sparse() || is_pax_sparse(&mut entry)? {
            return Err(io::Error::other(format!("{name:?} is a sparse file, which is not supported")));
        }
        let start = entry.raw_file_position();
        let end = start.checked_add(entry.size()).filter(|end| *end <= bytes);
        let content = start..end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let is_file = entry_type.is_file() || entry_type.is_contiguous();
        let kind = match (is_file, content.is_empty()) {
            // The older format has no type for folders.
            _ if entry_type.is_dir() || name.ends_with('/') => MemberKind::Folder,
            (true, false) => MemberKind::File,
            (true, true) => MemberKind::EmptyFile,
            (false, _) => MemberKind::Other,
        };
        members.push(TarMember { name, content, kind });
    }
    Ok(members)
}

/// True if the content of a member is a sparse file in the format of GNU tar for pax archives.
fn is_pax_sparse(entry: &mut ::tar::Entry<'_, impl Read>) -> io::Result<bool> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(false) };
    for extension in extensions {
        if extension?.key_bytes().starts_with(b"GNU.sparse.") {
            return Ok(true);
        }
    }
    Ok(false)
}
