//! Signals that arrive while inputs are read or expressions are evaluated.

use crate::common::{Running, TestDir, is_drained};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

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
fn a_sigbus_that_no_mapping_caused_has_its_usual_effect() {
    let dir = TestDir::new();
    let mut load = Running::start_with_stdin(dir.command(&["load", "-", "out.db"]), Stdio::piped());
    let mut stdin = load.take_stdin();
    // The input is mapped when its header is read.
    stdin.write_all("a,b\n1,2\n".repeat(200_000).as_bytes()).unwrap();
    assert!(load.wait_until(|load| load.handles_interrupts() && is_drained(&stdin)));
    std::thread::sleep(Duration::from_millis(100));
    load.signal("BUS");
    assert_eq!(load.wait().signal, Some(libc::SIGBUS));
}
