//! The paths of inputs.

use super::file::is_stdin;
use crate::error::{Error, Kind, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::path::{Path, PathBuf};

/// Raises the limit on open files as far as the system allows.
pub(crate) fn raise_open_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!("cannot raise the limit on open files: {error}");
    }
}

/// Replaces each glob pattern in `paths` by the files that match it, sorted by name. A path that exists is not a pattern. A
/// pattern for members of an archive stays as it is.
///
/// # Errors
/// [`Kind::Io`] if a pattern matches no files; [`Kind::Usage`] if it is invalid; [`Kind::Url`].
pub(crate) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut expanded = Vec::new();
    for path in paths {
        if let Some(url) = path.to_str().filter(|text| is_url(text) && !path.exists()) {
            return Err(Kind::Url { url: url.to_owned() }.into());
        }
        if split_member(path).is_some() {
            expanded.push(path.clone());
            continue;
        }
        let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']) && !path.exists());
        let Some(pattern) = pattern else {
            expanded.push(path.clone());
            continue;
        };
        let mut matches = matching_files(pattern)?;
        if let (true, Some((archives, member))) = (matches.is_empty(), pattern.split_once(MEMBER_SEPARATOR)) {
            let archives = matching_files(archives)?;
            matches.extend(archives.iter().map(|archive| member_path(archive, member)));
        }
        if matches.is_empty() {
            let missing = io::Error::new(io::ErrorKind::NotFound, "no file matches this pattern");
            return Err(Error::io("read", path, missing));
        }
        expanded.append(&mut matches);
    }
    Ok(expanded)
}

/// True for a scheme (RFC 3986, section 3.1) that is followed by `://`.
fn is_url(text: &str) -> bool {
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.');
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|char: char| char.is_ascii_alphabetic()) && scheme.chars().all(is_part)
    })
}

/// The files that match a glob pattern, sorted by name.
fn matching_files(pattern: &str) -> Result<Vec<PathBuf>> {
    let matches = glob::glob(pattern).map_err(|error| Kind::Usage(format!("{pattern}: {error}")))?;
    let failed =
        |error: glob::GlobError| Error::io("read", error.path(), io::Error::other(error.to_string()));
    matches.map(|path| path.map_err(failed)).collect()
}

/// Separates the path of an archive from the name of a member, or from a pattern that matches members.
pub(super) const MEMBER_SEPARATOR: &str = "//";

/// The path of a member of an archive.
fn member_path(archive: &Path, member: &str) -> PathBuf {
    let mut path = archive.as_os_str().to_owned();
    path.push(MEMBER_SEPARATOR);
    path.push(member);
    path.into()
}

/// Splits the path of members of an archive into the path of the archive, which exists, and the selection of members. `None` if
/// it is another path.
pub(crate) fn split_member(path: &Path) -> Option<(&Path, &str)> {
    let text = path.to_str().filter(|text| text.contains(MEMBER_SEPARATOR) && !path.exists())?;
    let mut splits = text.match_indices(MEMBER_SEPARATOR).map(|(at, _)| text.split_at(at));
    let is_archive = |path: &Path| is_stdin(path) || path.metadata().is_ok_and(|metadata| !metadata.is_dir());
    let (archive, member) = splits.find(|(archive, _)| is_archive(Path::new(archive)))?;
    Some((Path::new(archive), member.trim_start_matches('/')))
}

/// The path of the file that an input comes from: for members of an archive that of the archive.
pub(crate) fn file_path(path: &Path) -> &Path {
    split_member(path).map_or(path, |(archive, _)| archive)
}

/// The path of a member of an archive as it is to be written, for a path that cannot be opened because a slash or colon separates
/// its member.
pub(super) fn suggested_member(path: &Path) -> Option<PathBuf> {
    let text = path.to_str()?;
    let mut splits = text.match_indices(['/', ':']).map(|(at, _)| text.split_at(at));
    let (archive, member) = splits.find(|(archive, _)| Path::new(archive).is_file())?;
    let member = member.trim_start_matches(['/', ':']);
    (!member.is_empty()).then(|| member_path(Path::new(archive), member))
}

/// A pattern for members of an archive.
#[derive(Debug)]
pub(super) struct MemberPattern(glob::Pattern);

impl MemberPattern {
    /// # Errors
    /// If it is not a valid pattern.
    pub(super) fn new(pattern: &str) -> io::Result<Self> {
        glob::Pattern::new(pattern).map(Self).map_err(io::Error::other)
    }

    /// True if the pattern matches the path of a member or, if it contains no slash, its last part.
    pub(super) fn matches(&self, member: &str) -> bool {
        let options = glob::MatchOptions {
            require_literal_separator: true,
            require_literal_leading_dot: true,
            ..glob::MatchOptions::default()
        };
        let name = match self.0.as_str().contains('/') {
            true => member,
            false => member.rsplit('/').next().unwrap_or_default(),
        };
        self.0.matches_with(name, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_the_files_that_match_it() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", "c.txt", "[x].csv"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let names = |pattern: &str| -> Result<Vec<String>> {
            let paths = expand(&[directory.path().join(pattern)])?;
            Ok(paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect())
        };
        assert_eq!(names("*.csv").unwrap(), ["[x].csv", "a.csv", "b.csv"]);
        assert_eq!(names("?.*").unwrap(), ["a.csv", "b.csv", "c.txt"]);
        assert_eq!(names("[x].csv").unwrap(), ["[x].csv"], "a file that exists is not a pattern");
        assert_eq!(names("d.csv").unwrap(), ["d.csv"], "a missing file is reported when it is opened");
        for url in ["https://example.org/data.csv?a=*", "s3://b/k.csv"] {
            assert!(matches!(expand(&[url.into()]).unwrap_err().kind(), Kind::Url { .. }), "{url}");
        }
        assert!(matches!(names("*.tsv").unwrap_err().kind(), Kind::Io { .. }));
    }
}
