"""The programs that are compared: how each is installed, and the command with which it loads an input."""

import shlex
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

DATABASE = "out.db"
SCRIPTS = Path(__file__).resolve().parent
# The DuckDB extension for SQLite exists for one version of DuckDB.
PACKAGES = ["duckdb==1.5.5", "duckdb-extension-sqlite-scanner==1.5.5", "polars", "adbc-driver-sqlite", "pyarrow"]
PACKAGES += ["sqlite-utils", "csvs-to-sqlite"]

RUNNER = """\
fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let database = arguments.pop().expect("a database");
    csvs_convert::csvs_to_sqlite(database, arguments.into_iter().map(Into::into).collect()).unwrap();
}
"""
RUNNER_MANIFEST = """\
[package]
name = "csvs_to_sqlite_runner"
version = "0.1.0"
edition = "2024"

[workspace]

[dependencies]
csvs_convert = { version = "=0.13.2", default-features = false, features = ["converters"] }
"""


class Unsupported(Exception):
    """The peer cannot do this; the message says why."""


@dataclass(frozen=True)
class Job:
    """What is to be loaded, and how."""

    input: object
    case: str = "new"  # or "existing", "index" and "durable"
    jobs: int | None = None

    @property
    def index(self):
        return [self.input.index] if self.case == "index" else []

    @property
    def is_durable(self):
        return self.case == "durable"


@dataclass(frozen=True)
class Peer:
    name: str
    command: object
    # Whether the peer waits for the disk: "choice", "always" or "never".
    durable: str = "choice"
    # A slow peer loads only the first part of each input, such as a tenth; see `inputs.FRACTIONS`.
    fraction: int = 1

    def command_for(self, job):
        """The command as a list of words, or `Unsupported`."""
        if job.is_durable and self.durable != "choice":
            waits = "always" if self.durable == "always" else "never"
            raise Unsupported(f"{waits} waits for the disk: see the case \"new\"")
        return self.command(job)

    def is_durable(self, job):
        return job.is_durable if self.durable == "choice" else self.durable == "always"


def only(job, *kinds):
    if job.input.kind not in kinds:
        reasons = {
            "gz": "reads no .gz files",
            "files": "makes a table of each file",
            "pipeline": "computes no columns while it loads",
            "csv": "loads only people, by a pipeline",
        }
        raise Unsupported(reasons[job.input.kind])


def sqload(job, *options):
    input = job.input
    if input.kind == "pipeline":
        if job.index:
            raise Unsupported("the pipeline has no index")
        command = ["sqload", "run-pipeline", "-i", input.pattern, "--database", DATABASE]
    else:
        command = ["sqload", "load", input.pattern, DATABASE, "-t", input.table]
    command += ["-q", *options]
    for column in job.index:
        command += ["--index", column]
    if job.is_durable:
        command += ["--synchronous", "full"]
    if job.jobs:
        command += ["-j", str(job.jobs)]
    return command


def sqload_statements(job):
    return sqload(job, "--writer", "statements")


def sqlite3_shell(job):
    input = job.input
    command = ["sqlite3", DATABASE, f"PRAGMA synchronous={'FULL' if job.is_durable else 'OFF'}", ".mode csv"]
    if input.kind == "pipeline":
        if job.index:
            raise Unsupported("the pipeline has no index")
        people = "CREATE TABLE people (id BLOB PRIMARY KEY, first_name TEXT, last_name TEXT, age INTEGER, email TEXT)"
        email = "first_name || '.' || last_name || '_' || age || '@somemail.com'"
        select = f"SELECT randomblob(16), first_name, upper(last_name), CAST(age AS INTEGER), {email} FROM temp.input"
        return command + [f".import --schema temp {input.pattern} input", people, f"INSERT INTO people {select}"]
    if input.kind == "gz":
        command.append(f'.import "|gzip -dc {input.pattern}" {input.table}')
    elif input.kind == "files":
        command.append(f".read '|for file in {input.pattern}; do echo .import $skip $file {input.table}; skip=\"--skip 1\"; done'")
    else:
        command.append(f".import {input.pattern} {input.table}")
    return command + [f"CREATE INDEX {input.table}_{column} ON {input.table}({column})" for column in job.index]


def duckdb(job):
    only(job, "csv", "gz", "files")
    return ["python", "run_duckdb.py", job.input.pattern, DATABASE, job.input.table, *job.index]


def polars(job):
    only(job, "csv", "gz", "files")
    synchronous = "full" if job.is_durable else "off"
    return ["python", "run_polars.py", job.input.pattern, DATABASE, job.input.table, synchronous, *job.index]


def sqlite_utils(job):
    only(job, "csv", "gz")
    table = job.input.table
    if job.input.kind == "gz":
        return ["sh", "-c", f"gzip -dc {job.input.pattern} | sqlite-utils insert {DATABASE} {table} - --csv"]
    insert = ["sqlite-utils", "insert", DATABASE, table, job.input.pattern, "--csv"]
    if not job.index:
        return insert
    return ["sh", "-c", f"{shlex.join(insert)} && sqlite-utils create-index {DATABASE} {table} {job.index[0]}"]


def csvs_to_sqlite(job):
    only(job, "csv")
    options = [word for column in job.index for word in ("-i", column)]
    return ["csvs-to-sqlite", job.input.pattern, DATABASE, "-t", job.input.table, *options]


def csvs_convert(job):
    only(job, "csv")
    if job.index:
        raise Unsupported("creates no index")
    return ["csvs_to_sqlite_runner", job.input.pattern, DATABASE]


def reference(job):
    only(job, "pipeline")
    if job.index:
        raise Unsupported("the pipeline has no index")
    return ["reference", job.input.pattern, DATABASE, "full" if job.is_durable else "off"]


PEERS = {
    peer.name: peer
    for peer in [
        Peer("sqload", sqload),
        Peer("sqload-statements", sqload_statements),
        Peer("sqlite3", sqlite3_shell),
        Peer("duckdb", duckdb, durable="always"),
        Peer("polars", polars),
        Peer("csvs_convert", csvs_convert, durable="never"),
        Peer("csvs-to-sqlite", csvs_to_sqlite, durable="always", fraction=10),
        Peer("sqlite-utils", sqlite_utils, durable="always", fraction=100),
        Peer("reference", reference),
    ]
}


class Tools:
    """The programs on this machine, the versions of them, and the peers that are missing with the reason."""

    def __init__(self, root, sqload_path, profile, report):
        self.root, self.target, self.report = root, root / "target" / "compare", report
        self.programs, self.versions, self.missing = {}, {}, {}
        self.profile = profile
        self.build_sqload(sqload_path)

    def build_sqload(self, path):
        folder = self.root / "target" / self.profile
        arguments = ["--profile", self.profile, "--example", "speed_files"]
        if path is None:
            arguments.append("--bins")
        self.cargo(self.root, arguments, self.root / "target")
        self.programs["sqload"] = self.programs["sqload-statements"] = path or folder / "sqload"
        self.speed_files = folder / "examples" / "speed_files"
        self.versions["sqload"] = self.output([self.programs["sqload"], "--version"])

    def cargo(self, directory, arguments, target):
        self.report(f"building {'sqload' if directory == self.root else directory.name}")
        command = ["cargo", "build", "--quiet", "--locked", *arguments, "--target-dir", target]
        subprocess.run(command, cwd=directory, check=True)

    def install(self, names):
        """Installs the peers; what fails is missing."""
        steps = {"sqlite3": self.find_sqlite3, "reference": self.build_reference, "csvs_convert": self.build_runner}
        python_peers = {"duckdb", "polars", "csvs-to-sqlite", "sqlite-utils"}
        for name in names:
            try:
                if name in steps:
                    steps[name]()
                elif name in python_peers:
                    self.find_python_peer(name)
            except (OSError, subprocess.SubprocessError, Unsupported) as error:
                detail = (getattr(error, "stderr", "") or "").strip().splitlines()
                self.missing[name] = " ".join([describe(error), *detail[-1:]])
                self.report(f"{name} is missing: {self.missing[name]}")

    def find_sqlite3(self):
        self.programs["sqlite3"] = shutil.which("sqlite3")
        if self.programs["sqlite3"] is None:
            raise Unsupported("sqlite3 is not on PATH")
        self.versions["sqlite3"] = self.output(["sqlite3", "--version"]).split()[0]

    def build_reference(self):
        target = self.target / "reference"
        self.cargo(self.root / "benches" / "reference", ["--release"], target)
        self.programs["reference"] = target / "release" / "reference"
        self.versions["reference"] = cargo_versions(self.root / "benches" / "reference", ["tokio", "csv-async", "sqlx"])

    def build_runner(self):
        directory = self.target / "csvs_convert"
        (directory / "src").mkdir(parents=True, exist_ok=True)
        (directory / "Cargo.toml").write_text(RUNNER_MANIFEST)
        (directory / "src" / "main.rs").write_text(RUNNER)
        if not (directory / "Cargo.lock").exists():
            subprocess.run(["cargo", "generate-lockfile", "--quiet"], cwd=directory, check=True)
        self.cargo(directory, ["--release"], directory / "target")
        self.programs["csvs_to_sqlite_runner"] = directory / "target" / "release" / "csvs_to_sqlite_runner"
        self.versions["csvs_convert"] = cargo_versions(directory, ["csvs_convert"])

    def find_python_peer(self, name):
        bin = self.target / "venv" / "bin"
        if not (self.target / "venv" / "installed.txt").exists():
            self.report("installing packages from PyPI")
            venv.create(self.target / "venv", with_pip=True)
            for package in PACKAGES:
                # One by one: a package that cannot be installed does not keep others out.
                subprocess.run([bin / "python", "-m", "pip", "install", "--quiet", package], check=False)
            (self.target / "venv" / "installed.txt").write_text("\n".join(PACKAGES) + "\n")
        self.programs["python"] = bin / "python"
        needed = {"duckdb": ["duckdb", "duckdb-extension-sqlite-scanner"], "polars": ["polars", "adbc-driver-sqlite", "pyarrow"]}
        packages = needed.get(name, [name])
        program = "import sys, importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
        self.versions[name] = self.output([bin / "python", "-c", program, *packages])
        if name in ("csvs-to-sqlite", "sqlite-utils"):
            self.programs[name] = bin / name

    def argv(self, command):
        """The command with the paths of programs and scripts."""
        program = self.programs.get(command[0], command[0])
        return [str(program)] + [str(SCRIPTS / word) if word.startswith("run_") else word for word in command[1:]]

    @staticmethod
    def output(command):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def describe(error):
    """An error without the path of a program on this machine."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"{Path(str(error.cmd[0])).name} failed with exit code {error.returncode}"
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def cargo_versions(directory, names):
    """The versions of packages in a Cargo.lock."""
    lines = (directory / "Cargo.lock").read_text().splitlines()
    found = {}
    for name, version in zip(lines, lines[1:]):
        if name.startswith("name = ") and version.startswith("version = "):
            found[name.split('"')[1]] = version.split('"')[1]
    return ", ".join(f"{name} {found[name]}" for name in names)


def python_version():
    return sys.version.split()[0]
