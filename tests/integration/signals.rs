//! Signals that arrive while inputs are read or expressions are evaluated.

use crate::common::{Running, TestDir, is_drained};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn an_interrupt_does_not_wait_for_the_writer_of_a_fifo() {
    let dir = TestDir::new();
    assert!(Command::new("mkfifo").arg(dir.path("in.csv")).status().unwrap().success());
    let mut load = Running::start(dir.command(&["load", "in.csv", "out.db"]));
    assert!(load.wait_until(|load| load.handles_interrupts() && load.has_open(&dir.path("in.csv"))));
    load.signal("INT");
    load.wait().expect_code(130);
    assert_eq!(dir.file_names(), ["in.csv"]);
}

#[test]
fn an_interrupt_does_not_wait_for_a_chunk_that_sqlite_evaluates() {
    let dir = TestDir::new();
    // Each row takes SQLite some milliseconds, and all of them are in one chunk.
    dir.write("in.csv", format!("n\n{}", "1\n".repeat(20_000)));
    let slow = "n, length(hex(zeroblob(2000000 + n))) AS size";
    let load = ["load", "in.csv", "out.db", "--all-text", "--select", slow];
    let mut load = Running::start(dir.command(&load));
    assert!(load.wait_until(|load| load.handles_interrupts()));
    std::thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    load.signal("INT");
    load.wait().expect_code(130);
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    assert_eq!(dir.file_names(), ["in.csv"]);
}

#[test]
fn a_sigbus_that_no_mapping_caused_has_its_usual_effect() {
    let dir = TestDir::new();
    // The file is mapped when its header is read.
    let csv = "a,b\n1,2\n".repeat(200_000);
    dir.write("in.csv", &csv);
    let load = dir.command(&["load", "in.csv", "-", "out.db", "-t", "t"]);
    let mut load = Running::start_with_stdin(load, Stdio::piped());
    let mut stdin = load.take_stdin();
    stdin.write_all(csv.as_bytes()).unwrap();
    assert!(load.wait_until(|load| load.handles_interrupts() && is_drained(&stdin)));
    std::thread::sleep(Duration::from_millis(100));
    load.signal("BUS");
    assert_eq!(load.wait().signal, Some(libc::SIGBUS));
}
