//! Clusters of processes on this machine.

use crate::common::{Inputs, files};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sqload-ballista");

/// The largest time that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(150);

/// A process that is killed at the end of the test.
pub(crate) struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for the end. Returns the status, and what was written to standard error.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        wait_until("the end of the client", || self.0.try_wait().unwrap().is_some());
        let mut text = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (self.0.wait().unwrap(), text)
    }

    /// True if the process has a staged shard open.
    pub(crate) fn is_writing(&self) -> bool {
        let open = Path::new("/proc").join(self.0.id().to_string()).join("fd").read_dir();
        open.into_iter().flatten().flatten().any(|file| {
            std::fs::read_link(file.path()).is_ok_and(|path| path.to_string_lossy().contains("/_staging/"))
        })
    }

    pub(crate) fn interrupt(&self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[track_caller]
pub(crate) fn wait_for_port(port: u16) {
    wait_until("a port", || TcpStream::connect(("127.0.0.1", port)).is_ok());
}

/// A scheduler and two executors.
pub(crate) struct Cluster {
    pub(crate) scheduler: Process,
    pub(crate) executors: [Process; 2],
    port: u16,
    _work: TempDir,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        Self::with_file_limit(None)
    }

    /// The second executor can write files up to this number of KiB.
    pub(crate) fn with_file_limit(kib: Option<u64>) -> Self {
        let (port, work) = (free_port(), TempDir::new().unwrap());
        let mut scheduler = Command::new(PROGRAM);
        scheduler.args(["scheduler", "--executor-timeout", "8", "--port", &port.to_string()]);
        let scheduler = Process::start(&mut scheduler);
        wait_for_port(port);
        let executors = [None, kib].map(|limit| {
            let (data_port, control_port) = (free_port(), free_port());
            let work_dir = work.path().join(data_port.to_string());
            let executor = Process::start(&mut executor(port, data_port, control_port, &work_dir, limit));
            wait_for_port(control_port);
            wait_for_port(data_port);
            executor
        });
        Self { scheduler, executors, port, _work: work }
    }

    /// Starts the client with a statement over `sales`.
    pub(crate) fn run(&self, inputs: &Inputs, sql: &str, options: &[&str]) -> Process {
        let (name, path) = inputs.named();
        let mut client = Command::new(PROGRAM);
        client.args(["run", sql, "--input", &format!("{name}={path}")]);
        client.args(["--scheduler", "127.0.0.1", "--scheduler-port", &self.port.to_string()]).args(options);
        if !options.contains(&"--timeout") {
            client.args(["--timeout", "120"]);
        }
        Process::start(client.stderr(Stdio::piped()).stdout(Stdio::null()))
    }

    /// Runs a statement that succeeds.
    #[track_caller]
    pub(crate) fn succeed(&self, inputs: &Inputs, sql: &str, options: &[&str]) {
        let (status, text) = self.run(inputs, sql, options).wait();
        assert!(status.success(), "{text}");
    }

    /// Runs a statement that fails. Returns its message. Nothing is published, and no staged file is left.
    #[track_caller]
    pub(crate) fn fail(&self, inputs: &Inputs, sql: &str, options: &[&str]) -> String {
        let (status, text) = self.run(inputs, sql, options).wait();
        assert_eq!(status.code(), Some(1), "{text}");
        assert_nothing(&inputs.out());
        text
    }
}

fn executor(port: u16, data: u16, control: u16, work_dir: &PathBuf, limit_kib: Option<u64>) -> Command {
    let mut command = match limit_kib {
        None => Command::new(PROGRAM),
        Some(kib) => {
            let mut shell = Command::new("bash");
            shell.args(["-c", &format!("ulimit -f {kib}; exec \"$0\" \"$@\""), PROGRAM]);
            shell
        }
    };
    command.args(["executor", "--scheduler", "127.0.0.1", "--heartbeat", "1", "--slots", "2"]);
    let ports = [("--scheduler-port", port), ("--port", data), ("--control-port", control)];
    for (option, port) in ports {
        command.args([option, &port.to_string()]);
    }
    command.arg("--work-dir").arg(work_dir);
    command
}

/// Asserts that the directory of a job that has failed is empty, once tasks that were running have ended.
#[track_caller]
pub(crate) fn assert_nothing(out: &Path) {
    wait_until("the end of all tasks", || files(out).is_empty());
    assert!(!out.join("_staging").exists());
}
