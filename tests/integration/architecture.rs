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
    let text = text.split("#[cfg(test)]").next().unwrap();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

/// Asserts that `word` occurs only in files whose path starts with one of `homes`.
fn only_in(word: &str, homes: &[&str]) {
    let mut seen = false;
    for (name, code) in sources() {
        let is_there = code.contains(word);
        seen |= is_there;
        assert!(!is_there || homes.iter().any(|home| name.starts_with(home)), "{word} in {name}");
    }
    assert!(seen, "{word} is not used anywhere");
}

#[test]
fn each_dependency_has_one_home() {
    only_in("clap::", &["cli", "main.rs"]);
    only_in("memmap2::", &["input"]);
    only_in("bumpalo::", &["batch.rs"]);
    only_in("memchr::", &["split.rs", "parse.rs"]);
    only_in("libc::", &["input/truncation.rs"]);
    only_in("tempfile::", &["aside.rs", "input"]);
    for decoder in ["flate2::", "zstd::", "bzip2::", "liblzma::", "zip::", "encoding_rs::"] {
        only_in(decoder, &["input/unpack.rs"]);
    }
    only_in("ctrlc::", &["terminal.rs"]);
    only_in("signal_hook::", &["terminal.rs"]);
    only_in("rustix::", &["preview.rs", "input.rs"]);
    only_in("wide::", &["scan.rs"]);
    only_in("rayon::", &["write/direct"]);
    only_in("uuid::", &["transform"]);
    only_in("rand::", &["transform", "generate.rs"]);
    only_in("rusqlite::", &["write", "target", "error.rs", "evaluate"]);
    for functions in ["jiff::", "xxhash_rust::", "slug::"] {
        only_in(functions, &["functions.rs"]);
    }
    only_in("mimalloc::", &["main.rs"]);
    only_in("indicatif::", &["terminal.rs"]);
    only_in("crossbeam_channel::", &["pipeline.rs"]);
    only_in("thread::", &["load.rs", "pipeline.rs", "terminal.rs", "input/spool.rs", "sql/script.rs"]);
    only_in("glob::", &["input.rs"]);
    only_in("sqlparser::", &["sql"]);
    only_in("strsim::", &["error"]);
    only_in("rlimit::", &["input.rs"]);
    only_in("indexmap::", &["transform/compile.rs"]);
}

#[test]
fn unsafe_code_is_confined() {
    only_in("unsafe ", &["input", "write/statements.rs", "evaluate/table.rs"]);
}

#[test]
fn pure_modules_do_no_io() {
    for (name, code) in sources() {
        let pure = [
            "scan",
            "split.rs",
            "parse.rs",
            "batch.rs",
            "transform",
            "work.rs",
            "numbers.rs",
            "dialect.rs",
            "columns",
        ];
        if pure.iter().any(|home| name.starts_with(home)) {
            for word in ["std::fs", "std::io", "std::thread", "std::net", "std::env"] {
                assert!(!code.contains(word), "{word} in {name}");
            }
        }
    }
}

#[test]
fn imports_point_one_way() {
    let forbidden = [
        ("plan", &["crate::"][..]),
        ("scan", &["split", "parse", "batch", "transform", "work", "write", "load"]),
        ("split.rs", &["parse", "batch", "transform", "work", "write", "load"]),
        ("parse.rs", &["split", "transform", "work", "write", "load"]),
        ("transform", &["split", "work", "write", "load", "input"]),
        ("write.rs", &["split", "parse", "transform", "work", "load", "input"]),
        ("write/", &["split", "parse", "transform", "work", "load", "input", "target", "pipeline"]),
        ("input", &["parse", "batch", "transform", "work", "write", "load"]),
    ];
    for (name, code) in sources() {
        for (_, others) in forbidden.iter().filter(|(module, _)| name.starts_with(module)) {
            for other in *others {
                let import =
                    if other.ends_with(':') { (*other).to_owned() } else { format!("crate::{other}::") };
                assert!(!code.contains(&import), "{import} in {name}");
            }
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
        let may_know =
            ["people.rs", "generate.rs", "cli.rs", "cli/pipeline.rs", "lib.rs"].contains(&name.as_str());
        assert!(may_know || !code.contains("people"), "{name} knows people");
    }
}
