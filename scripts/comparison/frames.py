"""Rows that a program has in memory, or in a Parquet file: how long it takes to write them to SQLite.

Each run is a process of its own; run_write.py has what the peers do. Memory is what the peak grows by during the write.
"""

import os
import subprocess
import venv

from . import inputs

PACKAGES = ["duckdb==1.5.5", "duckdb-extension-sqlite-scanner==1.5.5", "polars", "adbc-driver-sqlite", "pyarrow", "pandas"]
PEERS = {
    "sqload": "sqload, Polars",
    "sqload_pyarrow": "sqload, pyarrow",
    "sqload_iterator": "sqload, batches of a Parquet file",
    "sqload_csv": "sqload, CSV file",
    "duckdb": "DuckDB, pyarrow",
    "polars_adbc": "Polars, ADBC",
    "pandas_sql": "pandas, to_sql",
    "sqload_parquet": "sqload, Parquet file",
    "duckdb_parquet": "DuckDB, Parquet file",
}
INPUTS = ["people", "numbers"]

CONVERT = """
import polars, sys
polars.read_csv(sys.argv[1], infer_schema_length=None).write_parquet(sys.argv[2])
"""

CHECK = """
import polars, sqlite3, sys
frame = polars.read_parquet(sys.argv[1])
rows = sqlite3.connect(sys.argv[2]).execute("SELECT * FROM t ORDER BY rowid")
for chunk in frame.iter_slices(100_000):
    if chunk.rows() != rows.fetchmany(len(chunk)):
        sys.exit("different rows")
if rows.fetchone():
    sys.exit("more rows")
"""


class Frames:
    def __init__(self, root, directory, profile, report):
        self.root, self.directory, self.profile, self.report = root, directory, profile, report
        self.target = root / "target" / "compare" / "frames"
        self.python = self.target / "venv" / "bin" / "python"
        self.database = directory / "frames.db"

    def prepare(self):
        """Installs the peers, builds and installs the wheel, and converts the inputs."""
        installed = self.target / "venv" / "installed.txt"
        if not installed.exists():
            self.report("installing packages from PyPI")
            venv.create(self.target / "venv", with_pip=True)
            run(self.python, "-m", "pip", "install", "--quiet", "maturin>=1.9.4,<2", *PACKAGES)
            installed.write_text("\n".join(PACKAGES) + "\n")
        self.report("building the Python package")
        wheels = self.target / "wheels"
        for wheel in wheels.glob("*.whl"):
            wheel.unlink()
        environment = {**os.environ, "CARGO_TARGET_DIR": str(self.root / "target"), "VIRTUAL_ENV": str(self.target / "venv")}
        maturin = [self.python, "-m", "maturin", "build", "--quiet", "--profile", self.profile, "--out", wheels]
        run(*maturin, cwd=self.root / "crates" / "sqload-python", env=environment)
        run(self.python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", *wheels.glob("*.whl"))
        for name in INPUTS:
            csv, parquet = self.directory / f"{name}.csv", self.parquet(name)
            if not parquet.exists() or parquet.stat().st_mtime < csv.stat().st_mtime:
                run(self.python, "-c", CONVERT, csv, parquet)

    def parquet(self, name):
        return self.directory / f"{name}.parquet"

    def pandas_version(self):
        program = "import importlib.metadata as m; print(m.version('pandas'))"
        return run(self.python, "-c", program, capture_output=True, text=True).stdout.strip()

    def compare(self, runs, once):
        """Runs all peers in turn, and yields a result for each input and peer."""
        for name in INPUTS:
            if not inputs.INPUTS[name].facts:
                inputs.measure_input(inputs.INPUTS[name], self.directory)
            results = {peer: self.result(name, peer) for peer in PEERS}
            for number in range(runs):
                order, shift = list(PEERS), number % len(PEERS)
                for peer in order[shift:] + order[:shift]:
                    result = results[peer]
                    if not result["problem"] and not (result["seconds"] and result["seconds"][0] > once):
                        self.run_once(result)
                        outcome = result["problem"] or f"{result['seconds'][-1]:.3f} s"
                        self.report(f"frames {number + 1}/{runs}: {name}: {PEERS[peer]}: {outcome}")
            yield from results.values()

    @staticmethod
    def result(name, peer):
        shared = {"input": name, "peer": peer, "rows": inputs.INPUTS[name].facts["rows"]}
        return {**shared, "seconds": [], "growth_bytes": [], "database_bytes": None, "problem": None}

    def run_once(self, result):
        self.remove_database()
        os.sync()
        script = self.root / "scripts" / "comparison" / "run_write.py"
        parquet = self.parquet(result["input"])
        done = subprocess.run([self.python, script, result["peer"], parquet, self.database], capture_output=True, text=True)
        if done.returncode:
            result["problem"] = last_line(done.stderr)
            return
        seconds, before, after = done.stdout.split()
        if not result["seconds"]:
            checked = subprocess.run([self.python, "-c", CHECK, parquet, self.database], capture_output=True, text=True)
            result["problem"] = last_line(checked.stderr) if checked.returncode else None
        result["seconds"].append(round(float(seconds), 4))
        result["growth_bytes"].append(int(after) - int(before))
        result["database_bytes"] = self.database.stat().st_size
        self.remove_database()

    def remove_database(self):
        for path in self.directory.glob(f"{self.database.name}*"):
            path.unlink()


def run(*command, **keywords):
    return subprocess.run([str(word) for word in command], check=True, **keywords)


def last_line(text):
    return "".join(text.strip().splitlines()[-1:]) or "failed"
