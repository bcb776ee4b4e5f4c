//! Zip archives.

use super::compression::ByteStream;
use super::file::temporary_file;
use self_cell::{MutBorrow, self_cell};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use zip::ZipArchive;
use zip::read::ZipFile;

/// A zip archive. Clones share its directory, which is read once.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    /// The file of the archive; `None` if it is a temporary copy.
    file: Option<Arc<File>>,
    zip: ZipArchive<PositionedFile>,
}

impl Archive {
    /// Reads the directory of an archive. Returns the index and the name of each file in it, except for the files that macOS
    /// adds.
    ///
    /// # Errors
    /// If the directory cannot be read, or lists no files.
    pub(super) fn open(file: Arc<File>) -> io::Result<(Self, Vec<(usize, String)>)> {
        let mut zip = ZipArchive::new(PositionedFile { file: file.clone(), position: 0 })?;
        if entry_count(&file)?.is_some_and(|count| count != zip.len()) {
            return Err(io::Error::other("two files in the archive have the same name"));
        }
        let mut members = Vec::new();
        for index in 0..zip.len() {
            let member = zip.by_index_raw(index)?;
            let name = member.name()?.into_owned();
            if member.is_file() && !name.starts_with("__MACOSX/") {
                members.push((index, name));
            }
        }
        if members.is_empty() {
            return Err(io::Error::other("the archive contains no files"));
        }
        Ok((Self { file: Some(file), zip }, members))
    }

    /// As [`Archive::open`], for an archive that arrives as a stream. Copies it to a temporary file.
    ///
    /// # Errors
    /// As there, and if the file cannot be written.
    pub(super) fn from_stream(mut from: impl Read) -> io::Result<(Self, Vec<(usize, String)>)> {
        let mut file = temporary_file()?;
        io::copy(&mut from, &mut file)?;
        let (archive, members) = Self::open(Arc::new(file))?;
        Ok((Self { file: None, ..archive }, members))
    }

    /// The file of the archive, unless it is a temporary copy, which no other process can change.
    pub(super) fn file(&self) -> Option<&Arc<File>> {
        self.file.as_ref()
    }

    /// The content of the file with this index.
    ///
    /// # Errors
    /// If it is encrypted or cannot be read.
    pub(super) fn member(&self, index: usize) -> io::Result<ByteStream> {
        let zip = MutBorrow::new(self.zip.clone());
        Ok(Box::new(Member::try_new(zip, |zip| zip.borrow_mut().by_index(index))?))
    }
}

/// The number of files according to the end of the archive (APPNOTE.TXT 4.3.16); `None` if it is in a larger record
/// (4.3.14). `ZipArchive` keeps only the last of several files with the same name.
fn entry_count(archive: &File) -> io::Result<Option<usize>> {
    const SIGNATURE: &[u8] = b"PK\x05\x06";
    const RECORD_BYTES: u64 = 22;
    let length = archive.metadata()?.len();
    let mut end = vec![0; length.min(RECORD_BYTES + u64::from(u16::MAX)) as usize];
    let start = length - end.len() as u64;
    archive.read_exact_at(&mut end, start)?;
    let record = end.windows(SIGNATURE.len()).rposition(|bytes| bytes == SIGNATURE).map(|at| &end[at..]);
    let count = record.and_then(|record| Some(u16::from_le_bytes(record.get(10..12)?.try_into().ok()?)));
    Ok(count.filter(|count| *count != u16::MAX).map(usize::from))
}

self_cell!(
    /// An open file of an archive, with the archive that it borrows from.
    struct Member {
        owner: MutBorrow<ZipArchive<PositionedFile>>,
        #[not_covariant]
        dependent: OpenMember,
    }
);

type OpenMember<'z> = ZipFile<'z, PositionedFile>;

impl Read for Member {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.with_dependent_mut(|_, member| member.read(to))
    }
}

/// A file with a position of its own, so that several readers can share it.
#[derive(Debug, Clone)]
struct PositionedFile {
    file: Arc<File>,
    position: u64,
}

impl Read for PositionedFile {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read_at(to, self.position)?;
        self.position += bytes as u64;
        Ok(bytes)
    }
}

impl Seek for PositionedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
