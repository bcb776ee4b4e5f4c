//! `--version`.

use sqload::SqliteBuild;

/// The Cargo features of this build besides `cli`.
const FEATURES: [(&str, bool); 6] = [
    ("bzip2", cfg!(feature = "bzip2")),
    ("gzip", cfg!(feature = "gzip")),
    ("tar", cfg!(feature = "tar")),
    ("xz", cfg!(feature = "xz")),
    ("zip", cfg!(feature = "zip")),
    ("zstd", cfg!(feature = "zstd")),
];

/// The name and version of the program.
pub(super) const VERSION: &str = concat!("sqload ", env!("CARGO_PKG_VERSION"));

/// The version, the features of this build, and the build of SQLite.
///
/// # Errors
/// If SQLite cannot open a database in memory.
pub(super) fn verbose_version() -> sqload::Result<String> {
    let features = FEATURES.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name);
    let features = features.collect::<Vec<_>>().join(" ");
    let SqliteBuild { version, compile_options, .. } = SqliteBuild::read()?;
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    let options = compile_options.join("\n  ");
    Ok(format!(
        "{VERSION}\ntarget: {system} {processor}\nfeatures: cli {features}\nSQLite: {version}\n\
        SQLite compile options:\n  {options}"
    ))
}
