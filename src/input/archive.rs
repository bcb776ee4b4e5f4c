//! Zip archives.

use super::unpack::Bytes;
use self_cell::{MutBorrow, self_cell};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use zip::ZipArchive;
use zip::read::ZipFile;

/// A zip archive. Its directory is read once, and shared by the clones.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    file: Arc<File>,
    zip: ZipArchive<Positioned>,
}

impl Archive {
    /// Reads the directory of an archive. Returns the number and the name of each file in it, without those that macOS adds.
    ///
    /// # Errors
    /// If it cannot be read, or has no files.
    pub(super) fn open(file: Arc<File>) -> io::Result<(Self, Vec<(usize, String)>)> {
        let mut zip = ZipArchive::new(Positioned { file: file.clone(), at: 0 })?;
        if entries(&file)?.is_some_and(|entries| entries != zip.len()) {
            return Err(io::Error::other("two files in the archive have the same name"));
        }
        let mut members = Vec::new();
        for number in 0..zip.len() {
            let member = zip.by_index_raw(number)?;
            let name = member.name()?.into_owned();
            if member.is_file() && !name.starts_with("__MACOSX/") {
                members.push((number, name));
            }
        }
        if members.is_empty() {
            return Err(io::Error::other("there is no file in the archive"));
        }
        Ok((Self { file, zip }, members))
    }

    /// The archive itself.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The content of file `number`.
    ///
    /// # Errors
    /// If it cannot be read, or is encrypted.
    pub(super) fn member(&self, number: usize) -> io::Result<Bytes> {
        let zip = MutBorrow::new(self.zip.clone());
        Ok(Box::new(Member::try_new(zip, |zip| zip.borrow_mut().by_index(number))?))
    }
}

/// The number of files in a zip archive as its end says (APPNOTE.TXT 4.3.16); nothing if that is in a larger record (4.3.14).
/// Of two files with the same name `ZipArchive` knows but the last.
fn entries(archive: &File) -> io::Result<Option<usize>> {
    const SIGNATURE: &[u8] = b"PK\x05\x06";
    const RECORD_BYTES: u64 = 22;
    let length = archive.metadata()?.len();
    let mut end = vec![0; length.min(RECORD_BYTES + u64::from(u16::MAX)) as usize];
    let start = length - end.len() as u64;
    archive.read_exact_at(&mut end, start)?;
    let record = end.windows(SIGNATURE.len()).rposition(|bytes| bytes == SIGNATURE).map(|at| &end[at..]);
    let entries = record.and_then(|record| Some(u16::from_le_bytes(record.get(10..12)?.try_into().ok()?)));
    Ok(entries.filter(|entries| *entries != u16::MAX).map(usize::from))
}

self_cell!(
    /// A file of a zip archive with the archive.
    struct Member {
        owner: MutBorrow<ZipArchive<Positioned>>,
        #[not_covariant]
        dependent: OpenMember,
    }
);

type OpenMember<'z> = ZipFile<'z, Positioned>;

impl Read for Member {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.with_dependent_mut(|_, member| member.read(to))
    }
}

/// A file that is read from a place of one's own.
#[derive(Debug, Clone)]
struct Positioned {
    file: Arc<File>,
    at: u64,
}

impl Read for Positioned {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read_at(to, self.at)?;
        self.at += bytes as u64;
        Ok(bytes)
    }
}

impl Seek for Positioned {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
