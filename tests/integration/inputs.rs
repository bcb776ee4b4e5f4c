//! Unusual inputs, and many of them: limits, archives, files that cannot be mapped, headers with too many columns.

use crate::common::{Outcome, Running, TestDir, assert_contains, query, rows_of, text};
use crate::faults::Call;
use rusqlite::types::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs the program in a shell after `setup`.
fn run_after(dir: &TestDir, setup: &str, stdin: impl Into<Stdio>, arguments: &[&str]) -> Outcome {
    let program = dir.command(arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{setup}; exec \"$0\" \"$@\"")]).arg(program.get_program());
    shell.args(program.get_args()).current_dir(dir.path(""));
    Running::start_with_stdin(shell, stdin).wait()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A zip archive of `count` files with one row each.
fn zip_of_rows(count: usize) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for number in 0..count {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(format!("{number}.csv"), options).unwrap();
        zip.write_all(format!("n,name\n{number},x{number}\n").as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[track_caller]
fn assert_row_count(dir: &TestDir, table: &str, count: usize) {
    let sql = format!("SELECT count(*) FROM \"{table}\"");
    assert_eq!(query(&dir.open("out.db"), &sql), count.to_string());
}

/// The system has no file of 0 bytes with content except in such places.
#[test]
fn files_without_a_size_are_read() {
    let dir = TestDir::new();
    let path = "/proc/self/mounts";
    dir.run(&["load", path, "out.db", "--no-headers", "-d", " ", "--quote", "none"]).expect_code(0);
    let lines = std::fs::read_to_string(path).unwrap().lines().count();
    assert_row_count(&dir, "mounts", lines);
}

#[test]
fn files_that_cannot_be_mapped_are_read() {
    let path = "/sys/devices/system/cpu/online";
    if !Path::new(path).exists() {
        return;
    }
    let dir = TestDir::new();
    dir.run(&["load", path, "out.db", "--no-headers", "--all-text"]).expect_code(0);
    let line = std::fs::read_to_string(path).unwrap();
    let rows = rows_of(&dir.open("out.db"), "SELECT column1 FROM online");
    assert_eq!(rows, [[text(line.trim_end())]]);
}

#[test]
fn little_address_space_is_enough_for_small_inputs() {
    let dir = TestDir::new();
    let rows = "1,2\n".repeat(50_000);
    let csv = format!("a,b\n{rows}");
    dir.write("small.csv", "a,b\n1,2\n");
    dir.write("large.csv", &csv);
    dir.write("packed.csv.gz", gzip(csv.as_bytes()));
    for (input, table, count) in [("large.csv", "large", 50_000), ("packed.csv.gz", "packed", 50_000)] {
        run_after(&dir, "ulimit -v 1000000", Stdio::null(), &["load", input, "out.db"]).expect_code(0);
        assert_row_count(&dir, table, count);
    }
    for (input, count) in [("small.csv", 1), ("large.csv", 50_000)] {
        let mut pipe = Command::new("cat").arg(dir.path(input)).stdout(Stdio::piped()).spawn().unwrap();
        let load = ["load", "-", "out.db", "--replace"];
        run_after(&dir, "ulimit -v 1000000", pipe.stdout.take().unwrap(), &load).expect_code(0);
        pipe.wait().unwrap();
        assert_row_count(&dir, "stdin", count);
    }
}

/// This many records of 3 KB.
fn large_csv(records: usize) -> Vec<u8> {
    let mut csv = b"id,text\n".to_vec();
    let filler = "€".repeat(1_000);
    for id in 0..records {
        csv.extend_from_slice(format!("{id},\"{filler}\n{id}\"\n").as_bytes());
    }
    csv
}

#[track_caller]
fn assert_holds_large_csv(dir: &TestDir, table: &str, records: usize) {
    let is_right = "typeof(id) = 'integer' AND typeof(text) = 'text' AND id = rowid - 1
        AND text = printf('%.*c', 1000, '€') || char(10) || id";
    let sql = format!("SELECT count(*) || ' ' || sum({is_right}) FROM \"{table}\"");
    assert_eq!(query(&dir.open("out.db"), &sql), format!("{records} {records}"), "{table}");
}

#[test]
fn inputs_may_be_larger_than_the_address_space() {
    const RECORDS: usize = 104_000;
    const LIMIT_KIB: usize = 300_000;
    let dir = TestDir::new();
    let csv = large_csv(RECORDS);
    assert!(csv.len() > LIMIT_KIB << 10);
    let utf16 = std::str::from_utf8(&csv).unwrap().encode_utf16();
    dir.write("utf16.csv", [0xfeff].into_iter().chain(utf16).flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    dir.write("packed.csv.gz", gzip(&csv));
    dir.write("plain.csv", &csv);
    drop(csv);
    // By default glibc reserves 64 MiB of address space for each thread.
    let limit = format!("ulimit -v {LIMIT_KIB}; export MALLOC_ARENA_MAX=1");
    for (input, table) in [("plain.csv", "plain"), ("packed.csv.gz", "packed"), ("utf16.csv", "utf16")] {
        let load = ["load", input, "out.db", "-j", "1", "--replace", "--cache-size", "4M"];
        run_after(&dir, &limit, Stdio::null(), &load).expect_code(0);
        assert_holds_large_csv(&dir, table, RECORDS);
    }
    let mut pipe = Command::new("cat").arg(dir.path("plain.csv")).stdout(Stdio::piped()).spawn().unwrap();
    let load = ["load", "-", "out.db", "-j", "1", "--replace", "--cache-size", "4M"];
    run_after(&dir, &limit, pipe.stdout.take().unwrap(), &load).expect_code(0);
    pipe.wait().unwrap();
    assert_holds_large_csv(&dir, "stdin", RECORDS);
}

#[test]
fn a_large_file_that_cannot_be_mapped_is_read() {
    const RECORDS: usize = 10_000;
    let dir = TestDir::new();
    dir.write("large.csv", large_csv(RECORDS));
    let mut load = dir.command(&["load", "large.csv", "out.db", "-v"]);
    Call { name: "mmap", file: "large.csv", number: 1 }.fail(&mut load);
    let outcome = Running::start(load).wait().expect_code(0);
    assert_contains(&outcome.stderr, ["large.csv: cannot map the file, so it is read", "os error 19"]);
    assert_holds_large_csv(&dir, "large", RECORDS);
}

#[test]
fn many_mapped_inputs_need_few_descriptors() {
    let dir = TestDir::new();
    let csv = format!("a,b\n{}", "1,xxxxxxxxxxxx\n".repeat(10_000));
    for number in 0..100 {
        dir.write(&format!("in-{number}.csv"), &csv);
    }
    let load = ["load", "in-*.csv", "out.db", "-t", "t", "-j", "2"];
    run_after(&dir, "ulimit -n 40", Stdio::null(), &load).expect_code(0);
    assert_row_count(&dir, "t", 1_000_000);
}

#[test]
fn a_zip_archive_may_have_many_members() {
    let dir = TestDir::new();
    dir.write("in.zip", zip_of_rows(3_000));
    let started = Instant::now();
    dir.run(&["load", "in.zip", "out.db", "-t", "t"]).expect_code(0);
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    let rows = rows_of(&dir.open("out.db"), "SELECT count(*), sum(n = rowid - 1 AND name = 'x' || n) FROM t");
    assert_eq!(rows, [[3_000, 3_000].map(Value::Integer)]);
}

#[test]
fn an_archive_may_lie_about_sizes() {
    let row = b"1,xxxxxxxxxxxxxxx\n";
    let csv = [&b"a,b\n"[..], &row.repeat(20_000)].concat();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("in.csv", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&csv).unwrap();
    let honest = zip.finish().unwrap().into_inner();
    let size = (csv.len() as u32).to_le_bytes();
    for claim in [0_u32, 10, 100, 5_000_000, u32::MAX - 1] {
        let mut lying = honest.clone();
        let places: Vec<_> = (0..lying.len() - 4).filter(|at| lying[*at..*at + 4] == size).collect();
        assert!(places.len() >= 2, "the size is in the local header and in the directory");
        places.iter().for_each(|at| lying[*at..*at + 4].copy_from_slice(&claim.to_le_bytes()));
        let dir = TestDir::new();
        dir.write("in.zip", lying);
        let outcome = dir.run(&["load", "in.zip", "out.db", "-t", "t"]);
        match outcome.code {
            // All of it, or nothing and an error.
            Some(0) => assert_row_count(&dir, "t", 20_000),
            _ => outcome.expect_code(1).assert_single_message(&["cannot read in.zip"]),
        }
    }
}

#[test]
fn many_small_compressed_files_are_loaded() {
    let dir = TestDir::new();
    for number in 0..500 {
        dir.write(&format!("in-{number:03}.csv.gz"), gzip(format!("n\n{number}\n").as_bytes()));
    }
    dir.run(&["load", "in-*.gz", "out.db", "-t", "t"]).expect_code(0);
    let rows = rows_of(&dir.open("out.db"), "SELECT count(*), sum(n = rowid - 1) FROM t");
    assert_eq!(rows, [[500, 500].map(Value::Integer)]);
}

#[test]
fn an_archive_is_recognized_although_its_first_byte_comes_alone() {
    let dir = TestDir::new();
    let mut load = Running::start_with_stdin(dir.command(&["load", "-", "out.db", "-q"]), Stdio::piped());
    let (mut stdin, zip) = (load.take_stdin(), zip_of_rows(2));
    stdin.write_all(&zip[..1]).unwrap();
    assert!(load.wait_until(|_| crate::common::is_drained(&stdin)));
    stdin.write_all(&zip[1..]).unwrap();
    drop(stdin);
    load.wait().expect_code(0);
    assert_row_count(&dir, "stdin", 2);
}

#[test]
fn a_header_with_too_many_columns_fails_at_once() {
    let dir = TestDir::new();
    dir.write("equal.csv", format!("{}\n", ["a"; 20_000].join(",")));
    dir.write("wide.csv", format!("{}\n", ",".repeat(1_000_000)));
    for (input, found) in [("equal.csv", "20000 columns"), ("wide.csv", "1000001 columns")] {
        for options in [&[][..], &["--no-headers"]] {
            let started = Instant::now();
            let outcome = dir.run(&[&["load", input, "out.db"], options].concat()).expect_code(1);
            let elapsed = started.elapsed();
            assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
            outcome.assert_single_message(&[found, "2000", "--columns"]);
        }
    }
    dir.write("wide.csv", format!("n{}\n1{}\n", ",".repeat(3_000), ",".repeat(3_000)));
    dir.run(&["load", "wide.csv", "out.db", "--columns", "n,column3001"]).expect_code(0);
    let rows = rows_of(&dir.open("out.db"), "SELECT * FROM wide");
    assert_eq!(rows, [[Value::Integer(1), text("")]]);
}

#[test]
fn options_may_name_many_columns_of_a_very_wide_file() {
    let dir = TestDir::new();
    let row = |prefix: &str| (0..200_000).map(|at| format!("{prefix}{at}")).collect::<Vec<_>>().join(",");
    dir.write("wide.csv", format!("{}\n{}\n", row("c"), row("")));
    let numbers: Vec<_> = (0..1_900).map(|at| at * 103 + 7).collect();
    let list = |prefix: &str| numbers.iter().map(|at| format!("{prefix}{at}")).collect::<Vec<_>>().join(",");
    let (columns, unknown) = (list("C"), format!("{},nosuch", list("c")));
    let types: Vec<_> = numbers.iter().map(|at| format!("--type=c{at}=TEXT")).collect();
    let renamed: Vec<_> = numbers.iter().map(|at| format!("--rename=c{at}=d{at}")).collect();
    let all: Vec<_> = types.iter().chain(&renamed).map(String::as_str).collect();
    for (options, first) in [
        (vec!["--columns", &columns], Ok((Value::Integer(7), "c7"))),
        ([&all[..], &["--columns", &columns, "--not-null", "d7"]].concat(), Ok((text("7"), "d7"))),
        (vec!["--columns", &columns, "--null", "7"], Ok((Value::Null, "c7"))),
        (vec!["--select", &columns], Ok((Value::Integer(7), "C7"))),
        (vec!["--columns", &unknown], Err(["nosuch", "c0, c1", "and 199980 more"])),
    ] {
        let outcome = dir.run(&[&["load", "wide.csv", "out.db", "--replace"], &options[..]].concat());
        let (first, name) = match first {
            Ok(first) => first,
            Err(parts) => {
                outcome.expect_code(1).assert_single_message(&parts);
                continue;
            }
        };
        outcome.expect_code(0);
        let row = &rows_of(&dir.open("out.db"), "SELECT * FROM wide")[0];
        assert_eq!((row.len(), &row[0]), (1_900, &first));
        let name_of_first = query(&dir.open("out.db"), "SELECT name FROM pragma_table_info('wide')");
        assert_eq!(name_of_first, name);
        let value = |at: &i64| if name == "d7" { text(&at.to_string()) } else { Value::Integer(*at) };
        assert_eq!(row[1..], numbers[1..].iter().map(value).collect::<Vec<_>>());
    }
}

#[test]
fn notes_on_the_names_of_columns_are_few() {
    let dir = TestDir::new();
    dir.write("in.csv", format!("n{}\n1{}\n", ",".repeat(30), ",".repeat(30)));
    let outcome = dir.run(&["load", "in.csv", "out.db", "--report", "-"]).expect_code(0);
    let notes = outcome.report()["notes"].to_string();
    assert_contains(&notes, ["column 21 has no name", "10 more columns could not keep"]);
    assert!(!notes.contains("column 22"), "{notes}");
}

#[test]
fn a_lack_of_memory_in_sqlite_ends_the_load_with_its_name() {
    let dir = TestDir::new();
    dir.write("in.csv", "a\n1\n");
    let large = "length(hex(zeroblob(400000000 + a))) AS n";
    let load = ["load", "in.csv", "out.db", "--all-text", "--select", large];
    let outcome = run_after(&dir, "ulimit -v 1000000", Stdio::null(), &load).expect_code(1);
    outcome.assert_single_message(&["out of memory"]);
    assert!(!outcome.stderr.contains("report"), "{}", outcome.stderr);
}
