//! The paths of inputs.

use crate::error::{Error, Kind, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::path::PathBuf;

/// Raises the limit on open files as far as the system allows.
pub(crate) fn raise_open_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!("cannot raise the limit on open files: {error}");
    }
}

/// Replaces each glob pattern in `paths` by the files that match it, sorted by name. A path that exists is not a pattern.
///
/// # Errors
/// [`Kind::Io`] if a pattern matches no files; [`Kind::Usage`] if it is invalid; [`Kind::Url`].
pub(crate) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut expanded = Vec::new();
    for path in paths {
        if let Some(url) = path.to_str().filter(|text| is_url(text) && !path.exists()) {
            return Err(Kind::Url { url: url.to_owned() }.into());
        }
        let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']) && !path.exists());
        let Some(pattern) = pattern else {
            expanded.push(path.clone());
            continue;
        };
        let matches = glob::glob(pattern).map_err(|error| Kind::Usage(format!("{pattern}: {error}")))?;
        let count_before = expanded.len();
        for path in matches {
            let path =
                path.map_err(|error| Error::io("read", error.path(), io::Error::other(error.to_string())))?;
            expanded.push(path);
        }
        if expanded.len() == count_before {
            let missing = io::Error::new(io::ErrorKind::NotFound, "no file matches this pattern");
            return Err(Error::io("read", path, missing));
        }
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
