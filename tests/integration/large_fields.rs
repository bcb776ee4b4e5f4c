//! Memory: large fields are loaded unchanged, and take at most twice their size; a large file of small ones takes little.
//!
//! A load that is measured runs in a process of its own, so that other tests do not count.

use crate::common::{TestDir, rows_of};
use rusqlite::types::Value;
use std::io::Write;
use std::process::Command;

/// The size of a field in bytes.
const FIELD_BYTES: usize = 64 << 20;

/// The program and its arguments that [`measure`] runs, one a line.
const COMMAND: &str = "SQLOAD_MEASURED_COMMAND";

/// The file that [`measure`] writes its result to.
const RESULT: &str = "SQLOAD_MEASURED_BYTES";

/// Runs a program, and writes the largest size of its resident set in bytes to a file.
#[test]
#[ignore = "the other tests start it as a process"]
fn measure() {
    let Ok(command) = std::env::var(COMMAND) else { return };
    let mut arguments = command.lines();
    let status = Command::new(arguments.next().unwrap()).args(arguments).status().unwrap();
    assert!(status.success());
    // SAFETY: it consists of integers, for which zero is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the call writes to `usage` only.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) }, 0);
    std::fs::write(std::env::var(RESULT).unwrap(), (usage.ru_maxrss * 1_024).to_string()).unwrap();
}

/// Loads `in` with these options, and returns the largest size of the resident set in bytes.
fn peak_bytes(dir: &TestDir, options: &[&str]) -> usize {
    let load = ["load", "in", "out.db", "-t", "t", "-q", "--max-record-size", "1000000000", "--all-text"];
    let load = dir.command(&[&load[..], options].concat());
    let words = std::iter::once(load.get_program()).chain(load.get_args());
    let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    let mut measure = Command::new(std::env::current_exe().unwrap());
    measure.args(["large_fields::measure", "--exact", "--ignored"]).current_dir(dir.path(""));
    let output = measure.env(COMMAND, words.join("\n")).env(RESULT, "bytes").output().unwrap();
    assert!(output.status.success(), "{options:?}: {output:?}");
    String::from_utf8(dir.read("bytes")).unwrap().parse().unwrap()
}

#[test]
fn the_memory_of_a_mapped_file_is_given_back_while_it_is_loaded() {
    let dir = TestDir::new();
    dir.write(
        "in",
        "a,b\n".to_owned()
            + &"1234567890123456789,0123456789012345678901234567890123456789012\n".repeat(FIELD_BYTES / 64),
    );
    let peak = peak_bytes(&dir, &[]);
    assert!(peak < FIELD_BYTES / 2, "{peak} bytes");
}

/// A field of [`FIELD_BYTES`] bytes with `first` before every 15 others.
fn field(first: &str) -> String {
    format!("{first}bcdefghijklmnop").repeat(FIELD_BYTES / 16)
}

/// Inputs with one record with large fields.
const INPUTS: [&str; 7] =
    ["plain", "quoted", "with quotes", "with invalid UTF-8", "two fields", "compressed", "UTF-16"];

/// The bytes of an input, the options to load it, and the values of its record.
fn input(name: &str) -> (Vec<u8>, &'static [&'static str], [String; 2]) {
    let one = "1".to_owned();
    let plain = format!("a,b\n1,{}\n", field("a"));
    match name {
        "quoted" => (format!("a,b\n1,\"{}\"\n", field("\n")).into(), &[], [one, field("\n")]),
        "with quotes" => (format!("a,b\n1,\"{}\"\n", field("\"\"")).into(), &[], [one, field("\"")]),
        "with invalid UTF-8" => {
            let csv = [plain.trim_end().as_bytes(), b"\xff\n"].concat();
            (csv, &["--invalid-utf8", "replace"], [one, field("a") + "\u{fffd}"])
        }
        "two fields" => {
            let half = field("a")[..FIELD_BYTES / 2].to_owned();
            (format!("a,b\n{half},{half}\n").into(), &[], [half.clone(), half])
        }
        "compressed" => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(plain.as_bytes()).unwrap();
            (gzip.finish().unwrap(), &[], [one, field("a")])
        }
        "UTF-16" => {
            let utf16 = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
            (utf16, &["--encoding", "utf-16le"], [one, field("a")])
        }
        _ => (plain.into(), &[], [one, field("a")]),
    }
}

/// Loads each input, and asserts that this takes twice the size of the fields and `other_bytes`.
#[track_caller]
fn assert_little_memory(writer: &str, other_bytes: usize) {
    for name in INPUTS {
        let dir = TestDir::new();
        let (bytes, options, values) = input(name);
        dir.write("in", bytes);
        let peak = peak_bytes(&dir, &[options, &["--writer", writer]].concat());
        let found = rows_of(&dir.open("out.db"), "SELECT a, b FROM t");
        assert!(found == [values.map(Value::Text)], "{writer}, {name}: the values differ");
        let limit = 2 * FIELD_BYTES + other_bytes;
        assert!(peak <= limit, "{writer}, {name}: {} MiB instead of {}", peak >> 20, limit >> 20);
    }
}

#[test]
fn the_direct_writer_takes_twice_the_size_of_a_field() {
    assert_little_memory("direct", 48 << 20);
}

/// SQLite also has a cache of 40 MB.
#[test]
fn the_statement_writer_takes_twice_the_size_of_a_field() {
    assert_little_memory("statements", (48 << 20) + 40_000_000);
}
