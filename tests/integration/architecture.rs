//! The architecture of the sources: dependencies, imports and calls that must be absent.

use std::fs;
use std::path::{Path, PathBuf};

/// The path of every file below `src`, and its code.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.push((name, code(&path)));
            }
        }
    }
    assert!(found.len() > 15, "only {} source files found", found.len());
    found
}

/// The code of a file, without comments and unit tests.
fn code(path: &PathBuf) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("\n#[cfg(test)]\n").next().unwrap();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

/// Asserts that `word` occurs only in files whose path starts with one of `homes`.
fn only_in(word: &str, homes: &[&str]) {
    let mut is_used = false;
    for (name, code) in sources() {
        let is_there = code.contains(word);
        is_used |= is_there;
        assert!(!is_there || homes.iter().any(|home| name.starts_with(home)), "{word} in {name}");
    }
    assert!(is_used, "{word} is not used anywhere");
}

#[test]
fn each_dependency_has_one_home() {
    only_in("clap::", &["cli", "main.rs"]);
    only_in("memmap2::", &["input"]);
    only_in("bumpalo::", &["batch/arena.rs"]);
    only_in("memchr::", &["format/csv"]);
    only_in("use bytes::", &["engine", "format/csv/footer.rs", "format/csv/split.rs", "input"]);
    only_in("libc::", &["files/descriptors.rs", "input/sigbus.rs"]);
    only_in("tempfile::", &["files", "input"]);
    for decoder in
        ["flate2::", "zstd::", "bzip2::", "liblzma::", "zip::", "tar::", "encoding_rs::", "oem_cp::"]
    {
        only_in(decoder, &["input"]);
    }
    for arrow in ["arrow_array::", "arrow_ipc::", "arrow_schema::"] {
        only_in(
            arrow,
            &["engine", "format/arrow", "input", "loader.rs", "shards/grouped.rs", "shards/writer.rs"],
        );
    }
    only_in("parquet::", &["input"]);
    only_in("signal_hook::", &["cli/terminal.rs"]);
    only_in("rustix::", &["files", "load/preview.rs", "input"]);
    only_in("wide::", &["format/csv/scan.rs"]);
    only_in("rayon::", &["write/direct"]);
    only_in("uuid::", &["eval/random.rs", "shards"]);
    only_in("rand::", &["eval.rs", "eval/interpreter.rs", "eval/random.rs", "demo/generate.rs", "shards"]);
    only_in(
        "rusqlite::",
        &[
            "batch/input_table.rs",
            "batch/value.rs",
            "database",
            "error",
            "eval/sqlite",
            "engine/sqlite_input.rs",
            "shards/duplicate.rs",
            "shards/shard_table.rs",
            "shards/table_copy.rs",
            "sql/memory_database.rs",
            "types/math_functions.rs",
            "write",
        ],
    );
    for functions in ["jiff::", "slug::"] {
        only_in(functions, &["eval/functions.rs"]);
    }
    only_in("xxhash_rust::", &["eval/functions.rs", "shards"]);
    only_in("mimalloc::", &["main.rs"]);
    only_in("indicatif::", &["cli/terminal.rs"]);
    only_in("crossbeam_channel::", &["engine/pipeline.rs"]);
    only_in(
        "thread::",
        &[
            "load.rs",
            "database/open.rs",
            "engine/pipeline.rs",
            "files/growing_file.rs",
            "cli/terminal.rs",
            "input/block_decoder.rs",
            "input/compression.rs",
            "input/parquet.rs",
            "input/spool.rs",
            "report/throughput.rs",
            "engine/sqlite_input.rs",
            "shards/parallel.rs",
            "sql/script.rs",
        ],
    );
    only_in("glob::", &["input/paths.rs"]);
    only_in("zmij::", &["types/numbers.rs"]);
    only_in("sqlparser::", &["sql"]);
    only_in("strsim::", &["error"]);
    only_in("indexmap::", &["eval/compile.rs"]);
}

#[test]
fn unsafe_code_is_confined() {
    let homes = [
        "input",
        "write/statements.rs",
        "batch/input_table.rs",
        "types/math_functions.rs",
        "database/file_control.rs",
        "files/descriptors.rs",
        "batch/dispatch.rs",
    ];
    only_in("unsafe ", &homes);
}

#[test]
fn pure_modules_do_no_io() {
    for (name, code) in sources() {
        if ["format", "batch", "eval", "schema", "types"].contains(&module(&name)) {
            for word in ["std::fs", "std::io", "std::thread", "std::net", "std::env"] {
                assert!(!code.contains(word), "{word} in {name}");
            }
        }
    }
}

/// The top-level module of a file.
fn module(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap()
}

/// The modules from top to bottom: each imports only from those below it.
const MODULES: [&str; 21] = [
    "main", "cli", "lib", "shards", "loader", "demo", "load", "engine", "sql", "eval", "format", "write",
    "database", "report", "batch", "input", "schema", "files", "types", "error", "plan",
];

/// Words that files must not contain although these imports do not point up.
const FORBIDDEN: [(&str, &[&str]); 5] = [
    ("eval", &["format::csv"]),
    ("format/csv/scan", &["crate::batch", "csv::parse", "csv::split", "super::parse", "super::split"]),
    ("format/csv/parse.rs", &["csv::split", "super::split"]),
    ("format/csv/split.rs", &["csv::parse", "super::parse"]),
    ("plan", &["crate::"]),
];

#[test]
fn imports_point_one_way() {
    let level = |module: &str| MODULES.iter().position(|other| *other == module);
    for (name, code) in sources() {
        let own_level = level(module(&name)).unwrap_or_else(|| panic!("{name} is in an unknown module"));
        for (_, words) in FORBIDDEN.iter().filter(|(file, _)| name.starts_with(file)) {
            for word in *words {
                assert!(!code.contains(word), "{word} in {name}");
            }
        }
        for import in code.split("crate::").skip(1) {
            let target = import.split(|letter: char| !letter.is_alphanumeric()).next().unwrap();
            let is_allowed = level(target).is_none_or(|level| level >= own_level);
            assert!(is_allowed, "{name} imports from crate::{target}");
        }
    }
}

/// The library does not know the command line: its errors carry data, and the program phrases the advice.
#[test]
fn only_the_command_line_knows_options() {
    for (name, code) in sources().iter().filter(|(name, _)| module(name) != "cli") {
        for (number, line) in code.lines().enumerate() {
            let mut parts = line.split("--").skip(1);
            let has_option = parts.any(|part| part.starts_with(|letter: char| letter.is_ascii_alphabetic()));
            assert!(!has_option, "an option in {name}, line {} of the code: {line}", number + 1);
        }
    }
}

#[test]
fn pages_are_big_endian() {
    for (name, code) in sources().iter().filter(|(name, _)| name.starts_with("write/direct")) {
        for word in ["to_le", "from_le", "to_ne", "from_ne", "swap_bytes"] {
            assert!(!code.contains(word), "{word} in {name}");
        }
    }
}

#[test]
fn main_is_short() {
    let (_, main) = sources().into_iter().find(|(name, _)| name == "main.rs").unwrap();
    assert!(main.lines().count() <= 60, "main.rs has {} lines of code", main.lines().count());
}

#[test]
fn only_the_demo_knows_people() {
    for (name, code) in sources() {
        let may_know = module(&name) == "demo"
            || ["cli.rs", "cli/pipeline.rs", "cli/setters.rs"].contains(&name.as_str());
        assert!(may_know || !code.contains("people"), "{name} knows people");
    }
}

#[test]
fn this_build_uses_the_flags_of_the_repository() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cargo/config.toml");
    assert!(!fs::read_to_string(path).unwrap().contains("target-cpu"), "packages run on every processor");
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let options = crate::twin::rows_of(&connection, "PRAGMA compile_options");
    let has =
        |option: &str| options.iter().any(|row| row[0] == rusqlite::types::Value::Text(option.to_owned()));
    for option in ["THREADSAFE=2", "OMIT_SHARED_CACHE", "ENABLE_MATH_FUNCTIONS", "ENABLE_DBPAGE_VTAB"] {
        assert!(has(option), "SQLite was built without {option}: {options:?}");
    }
}
