//! The program with a terminal as its standard error.

use crate::common::TestDir;
use crate::faults::Call;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};

/// Runs `command` with a terminal as its standard error. Returns the exit code, and what the terminal showed.
fn run_on_terminal(mut command: Command) -> (Option<i32>, String) {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let path = OsString::from_vec(ptsname(&controller, Vec::new()).unwrap().into_bytes());
    let terminal = OpenOptions::new().read(true).write(true).open(path).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(terminal);
    let mut child = command.spawn().unwrap();
    // The terminal is closed when the program ends.
    drop(command);
    let mut shown = Vec::new();
    // Linux reports EIO at the end.
    let _ = File::from(controller).read_to_end(&mut shown);
    (child.wait().unwrap().code(), String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn a_load_needs_no_thread_for_its_progress_bar() {
    let dir = TestDir::new();
    dir.write("in.csv", "a\n1\n");
    // The first thread waits for signals, the second one shows the progress, and the others load.
    for (number, expected) in [(1, Some(1)), (2, Some(0)), (3, Some(1)), (4, Some(1))] {
        let mut load = dir.command(&["load", "in.csv", "out.db", "--replace", "-j", "1"]);
        Call { name: "thread", file: "", number }.fail_once(&mut load);
        let (code, shown) = run_on_terminal(load);
        assert_eq!(code, expected, "thread {number}: {shown}");
        assert!(!shown.contains("panicked"), "{shown}");
    }
}

#[test]
fn usage_errors_are_coloured_as_other_messages() {
    let dir = TestDir::new();
    for (arguments, variables, is_coloured) in [
        (&[][..], &[("TERM", "xterm")][..], true),
        (&[], &[("NO_COLOR", "1")], false),
        (&[], &[("TERM", "dumb")], false),
        (&[], &[("TERM", "dumb"), ("CI", "true"), ("CLICOLOR", "1")], false),
        (&["--color", "never"], &[("TERM", "xterm")], false),
        (&["--color", "always"], &[("TERM", "dumb")], true),
        (&["--color", "always"], &[("NO_COLOR", "1")], true),
    ] {
        let mut load = dir.command(&[&["load", "--nonsense"], arguments].concat());
        for name in ["NO_COLOR", "CI", "CLICOLOR", "CLICOLOR_FORCE"] {
            load.env_remove(name);
        }
        load.env("TERM", "xterm").envs(variables.iter().copied());
        let (code, shown) = run_on_terminal(load);
        assert_eq!(code, Some(2), "{shown}");
        assert_eq!(shown.contains('\u{1b}'), is_coloured, "{arguments:?} {variables:?}: {shown}");
    }
}
