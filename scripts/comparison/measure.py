"""Runs a command as a whole process, and measures wall time and peak memory."""

import os
import platform
import sqlite3
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path


def machine():
    """What the times depend on, without a name of the machine."""
    cpu = "unknown"
    with open("/proc/cpuinfo") as file:
        cpu = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), cpu)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = len(os.sched_getaffinity(0))
    return {"cpu": cpu, "cores": cores, "memory_bytes": memory, "kernel": platform.release(), "system": platform.system()}


def run(argv, directory, environment, timeout):
    """Returns seconds, peak bytes, and None or what went wrong."""
    log, measured = directory / "output.txt", directory / "run.txt"
    measured.unlink(missing_ok=True)
    launch = [sys.executable, "-I", "-S", str(Path(__file__).parent / "launch.py"), str(timeout), *argv]
    with open(log, "w") as output:
        os.sync()
        process = subprocess.Popen(
            launch, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    last = "".join(log.read_text(errors="replace").strip().splitlines()[-1:])[:200]
    if not measured.exists():
        return 0, 0, f"did not start: {last}"
    seconds, peak, code = measured.read_text().split()
    if float(seconds) >= timeout:
        return float(seconds), int(peak), f"stopped after {timeout:.0f} s"
    if code != "0":
        return float(seconds), int(peak), f"exit code {code}: {last}"
    return float(seconds), int(peak), None


def memory_floor(directory, environment):
    """No smaller peak is seen."""
    _, peak, _ = run(["true"], directory, environment, 10)
    return peak


def write_existing(path):
    """A database with another table of 100 000 rows and an index."""
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (id INTEGER PRIMARY KEY, name TEXT)")
        connection.executemany("INSERT INTO other VALUES (?, ?)", ((n, f"name {n}") for n in range(100_000)))
        connection.execute("CREATE INDEX other_name ON other (name)")
    connection.close()


def plain_writes(directory, size):
    """Seconds to write as many bytes to a new file, 1 MiB at a time."""
    path, block = directory / "plain.bin", os.urandom(1 << 20)
    os.sync()
    start = time.perf_counter()
    with open(path, "wb", buffering=0) as file:
        for offset in range(0, size, len(block)):
            file.write(block[: min(len(block), size - offset)])
    seconds = time.perf_counter() - start
    path.unlink()
    return seconds


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
