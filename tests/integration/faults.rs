//! Calls of the C library that fail, or that wait for something to happen, in the program as a child process.

use crate::common::{Running, TestDir};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The library that replaces functions of the C library, compiled once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/faults.c");
        let library =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.so", std::process::id()));
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let mut compile = Command::new(compiler);
        compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
        assert!(compile.status().unwrap().success());
        library
    })
}

/// A call on a file, or on its staged file. Names and files may be lists with commas.
#[derive(Clone, Copy)]
pub(crate) struct Call<'c> {
    /// `open` for reading and writing, `close`, `write`, `truncate`, `fsync`, `rename`, `unlink`, `mmap`; `lock`, `share` and
    /// `unlock` for POSIX locks; `thread` for the start of a thread, without a file.
    pub(crate) name: &'c str,
    /// The end of the path of the file.
    pub(crate) file: &'c str,
    /// The number of the call, counted from 1.
    pub(crate) number: u32,
}

/// A call in a log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoggedCall {
    pub(crate) name: String,
    /// The name of the file without its directory.
    pub(crate) file: String,
    /// The offset of a write, or the length after a truncation.
    pub(crate) position: u64,
    /// The bytes to write.
    pub(crate) bytes: u64,
}

impl LoggedCall {
    /// The calls in the file `log`.
    #[track_caller]
    pub(crate) fn read_all(log: &Path) -> Vec<Self> {
        let parse = |line: &str| {
            let [name, file, position, bytes] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line:?}")
            };
            let [position, bytes] = [position, bytes].map(|number| number.parse().unwrap());
            Self { name: name.to_owned(), file: file.to_owned(), position, bytes }
        };
        std::fs::read_to_string(log).unwrap().lines().map(parse).collect()
    }
}

impl Call<'_> {
    /// Has `command` fail in this call and in all later ones.
    pub(crate) fn fail(self, command: &mut Command) {
        command.env("LD_PRELOAD", library()).env("FAULT_CALL", self.name).env("FAULT_FILE", self.file);
        command.env("FAULT_FIRST", self.number.to_string());
    }

    /// Has `command` fail in this call only.
    pub(crate) fn fail_once(self, command: &mut Command) {
        self.fail(command);
        command.env("FAULT_ONCE", "1");
    }

    /// Has `command` be killed in this call.
    pub(crate) fn kill(self, command: &mut Command) {
        self.fail(command);
        command.env("FAULT_KILL", "1");
    }

    /// Has `command` log these calls, which do not fail, to the file `log`.
    pub(crate) fn log(self, command: &mut Command, log: &Path) {
        Self { number: u32::try_from(i32::MAX).unwrap(), ..self }.fail(command);
        command.env("FAULT_LOG", log);
    }

    /// Starts `command`, waits until it reaches this call, does `meanwhile`, and lets it continue.
    #[track_caller]
    pub(crate) fn interrupt(
        self,
        dir: &TestDir,
        command: Command,
        meanwhile: impl FnOnce(&Running),
    ) -> Running {
        let (running, is_reached) = self.interrupt_if_reached(dir, command, meanwhile);
        assert!(is_reached, "the call was not reached: {:?}", running.wait());
        running
    }

    /// Like [`Call::interrupt`]; false if the program ended without this call.
    #[track_caller]
    pub(crate) fn interrupt_if_reached(
        self,
        dir: &TestDir,
        mut command: Command,
        meanwhile: impl FnOnce(&Running),
    ) -> (Running, bool) {
        let wait = dir.path("continue");
        self.fail(&mut command);
        command.env("FAULT_WAIT", &wait);
        let mut running = Running::start(command);
        let reached = dir.path("continue.reached");
        let is_reached = running.wait_until(|_| reached.exists());
        if is_reached {
            meanwhile(&running);
        }
        std::fs::write(wait, "").unwrap();
        (running, is_reached)
    }
}
