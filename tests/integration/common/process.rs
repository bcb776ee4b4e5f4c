//! The program as a child process: it is started, observed and stopped.

use super::{TestDir, assert_contains};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// No run and no wait in these tests takes this long, unless it hangs.
const TIME_LIMIT: Duration = Duration::from_secs(30);

const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// The running program. It is killed if the test ends first.
pub(crate) struct Running {
    child: Child,
    stdout: File,
    stderr: File,
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Running {
    /// Starts the program with an empty standard input.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_with_stdin(command, Stdio::null())
    }

    pub(crate) fn start_with_stdin(mut command: Command, stdin: impl Into<Stdio>) -> Self {
        let [stdout, stderr] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        command.stdin(stdin).stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        Self { child: command.spawn().unwrap(), stdout, stderr }
    }

    /// The write end of a standard input that was started as [`Stdio::piped`].
    pub(crate) fn take_stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    #[track_caller]
    pub(crate) fn wait(mut self) -> Outcome {
        self.wait_until(|_| false);
        let status = self.child.wait().unwrap();
        let (stdout, stderr) = (text_of(&mut self.stdout), text_of(&mut self.stderr));
        Outcome { code: status.code(), signal: status.signal(), stdout, stderr }
    }

    /// Waits until `condition` holds; false if the program ended first.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, condition: impl Fn(&Self) -> bool) -> bool {
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if condition(self) {
                return true;
            }
            assert!(started.elapsed() < TIME_LIMIT, "the program hangs: {:?}", text_of(&mut self.stderr));
            std::thread::sleep(POLL_INTERVAL);
        }
        false
    }

    /// Waits until `dir` has a file whose name starts with `prefix`; false if the program ended first.
    #[track_caller]
    pub(crate) fn wait_for_file(&mut self, dir: &TestDir, prefix: &str) -> bool {
        self.wait_until(|_| dir.file_names().iter().any(|name| name.starts_with(prefix)))
    }

    /// Whether the program has a handler for SIGINT.
    pub(crate) fn handles_interrupts(&self) -> bool {
        const SIGINT_BIT: u64 = 1 << (libc::SIGINT - 1);
        let status = std::fs::read_to_string(self.proc("status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & SIGINT_BIT != 0)
    }

    /// Whether the program has the file open.
    pub(crate) fn has_open(&self, path: &Path) -> bool {
        let path = path.canonicalize().unwrap();
        let descriptors = std::fs::read_dir(self.proc("fd")).into_iter().flatten().flatten();
        descriptors.filter_map(|entry| entry.path().read_link().ok()).any(|target| target == path)
    }

    fn proc(&self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.child.id()).into()
    }

    /// Sends a signal: `INT` or `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Kills the program; false if it ended first.
    #[track_caller]
    pub(crate) fn kill(mut self) -> bool {
        self.child.kill().unwrap();
        self.wait().signal == Some(libc::SIGKILL)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has already ended, which is the usual case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Outcome {
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Asserts that there is a single message and that it contains all `parts`. Warnings about rejects may precede it.
    #[track_caller]
    pub(crate) fn assert_single_message(&self, parts: &[&str]) {
        const LONGEST_MESSAGE_BYTES: usize = 1_000;
        let lines: Vec<_> = self.stderr.lines().filter(|line| !line.contains("WARN")).collect();
        let is_message = lines.first().is_some_and(|line| line.starts_with("sqload: "))
            && lines[1..].iter().all(|line| line.starts_with("  because: "));
        let message = lines.join("\n");
        assert!(is_message, "no single message: {:?}", self.stderr);
        assert!(message.len() <= LONGEST_MESSAGE_BYTES, "a message of {} bytes", message.len());
        assert_contains(&message, parts.iter().copied());
    }

    /// The report that `--report -` prints.
    #[track_caller]
    pub(crate) fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

fn text_of(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
