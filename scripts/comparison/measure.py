"""Runs a command as a whole process, and measures wall time and peak memory."""

import os
import platform
import signal
import sqlite3
import subprocess
import threading
import time
from datetime import datetime, timezone


def machine():
    """What the times depend on, without a name of the machine."""
    cpu = "unknown"
    with open("/proc/cpuinfo") as file:
        cpu = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), cpu)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = len(os.sched_getaffinity(0))
    return {"cpu": cpu, "cores": cores, "memory_bytes": memory, "kernel": platform.release(), "system": platform.system()}


def memory_floor():
    """No smaller peak is seen: a process begins with the memory of its parent."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def run(argv, directory, environment, timeout):
    """Returns seconds, peak bytes, and None or what went wrong."""
    log = directory / "output.txt"
    with open(log, "w") as output:
        os.sync()
        start = time.perf_counter()
        process = subprocess.Popen(
            argv, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        stopped = threading.Event()

        def stop():
            stopped.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(timeout, stop)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if stopped.is_set():
        return seconds, usage.ru_maxrss * 1024, f"stopped after {timeout:.0f} s"
    if process.returncode != 0:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        return seconds, usage.ru_maxrss * 1024, f"exit code {process.returncode}: {''.join(last)[:200]}"
    return seconds, usage.ru_maxrss * 1024, None


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
