//! Zip archives.

use super::{Archive, ByteStream, Directory, Member, MemberKind, PositionedFile};
use self_cell::{MutBorrow, self_cell};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

/// A zip archive. Clones share its directory, which is read once.
type ZipDirectory = ZipArchive<PositionedFile>;

impl Archive for ZipDirectory {
    fn open(&self, index: usize) -> io::Result<ByteStream> {
        let zip = MutBorrow::new(self.clone());
        Ok(Box::new(OpenMember::try_new(zip, |zip| zip.borrow_mut().by_index(index))?))
    }
}

/// The directory of the archive in `file`.
pub(super) fn read(file: Arc<File>) -> io::Result<Directory> {
    let zip = ZipArchive::new(PositionedFile::new(file.clone(), 0));
    let mut zip = zip.map_err(|error| match error {
        ZipError::Io(error) => error,
        error => io::Error::other(format!("the archive is damaged or incomplete: {error}")),
    })?;
    if entry_count(&file)?.is_some_and(|count| count != zip.len()) {
        return Err(io::Error::other("two files in the archive have the same name"));
    }
    let mut members = Vec::new();
    for index in 0..zip.len() {
        let member = zip.by_index_raw(index)?;
        let kind = match member.is_file() {
            true if member.size() == 0 && member.crc32() == 0 => MemberKind::EmptyFile,
            true => MemberKind::File,
            false if member.is_dir() => MemberKind::Folder,
            false => MemberKind::Other,
        };
        members.push(Member { index, name: member.name()?.into_owned(), kind });
    }
    Ok(Directory { archive: Arc::new(zip), members })
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
    struct OpenMember {
        owner: MutBorrow<ZipDirectory>,
        #[not_covariant]
        dependent: BorrowedMember,
    }
);

type BorrowedMember<'z> = ZipFile<'z, PositionedFile>;

impl Read for OpenMember {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.with_dependent_mut(|_, member| member.read(to))
    }
}
