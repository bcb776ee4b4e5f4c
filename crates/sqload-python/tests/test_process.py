"""The process around a load: signals, threads, locks, and the command."""

import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest
import sqload

COMMAND = [[sys.executable, "-m", "sqload"], [str(pathlib.Path(sys.executable).parent / "sqload")]]


class Feed(threading.Thread):
    """Writes records to a FIFO as long as anyone reads them, and calls `then` after some."""

    def __init__(self, path, then=None, records=None):
        super().__init__(daemon=True)
        os.mkfifo(path)
        self.path, self.then, self.records = path, then, records
        self.start()

    def run(self):
        chunk = b"1,2\n" * 10_000
        written = 0
        try:
            with open(self.path, "wb", buffering=0) as file:
                file.write(b"a,b\n")
                while self.records is None or written < self.records:
                    file.write(chunk)
                    written += 10_000
                    if written == 100_000 and self.then:
                        self.then()
        except BrokenPipeError:
            pass


def test_other_threads_run_during_a_load(dir):
    # The load waits for a thread of Python.
    feed = Feed("feed.csv", records=200_000)
    assert sqload.load("feed.csv", "out.db").loaded == 200_000
    feed.join()


def test_loads_run_in_threads(dir):
    for number in range(4):
        dir.write(f"{number}.csv", "a\n" + "1\n" * 1000)
    loaded = []
    load = lambda number: loaded.append(sqload.load(f"{number}.csv", f"{number}.db", "t").loaded)
    threads = [threading.Thread(target=load, args=[number]) for number in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert loaded == [1000] * 4


def test_advice_suits_the_function_that_was_called(dir):
    dir.write("a.csv", "a,b\n1,2\n")
    dir.write("a.sql", "CREATE TABLE a (a, b); INSERT INTO a SELECT a, b FROM input;")
    sqload.load("a.csv", "a.db")
    for _ in range(2):
        with pytest.raises(sqload.Error, match="use append=True or truncate=True to fill it"):
            sqload.load("a.csv", "a.db")
        with pytest.raises(sqload.Error, match="write CREATE TABLE IF NOT EXISTS or use append=True"):
            sqload.run_pipeline("a.sql")


def test_keyboard_interrupt_stops_a_load(dir):
    dir.write("old.csv", "a,b\n1,2\n")
    sqload.load("old.csv", "out.db", "t")
    before = (dir.path / "out.db").read_bytes()
    feed = Feed("feed.csv", then=lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        sqload.load("feed.csv", "out.db", "t", replace=True)
    feed.join()
    assert (dir.path / "out.db").read_bytes() == before
    assert sorted(os.listdir()) == ["feed.csv", "old.csv", "out.db"]


def test_any_signal_handler_may_stop_a_load(dir):
    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    previous = signal.signal(signal.SIGUSR1, stop)
    try:
        feed = Feed("feed.csv", then=lambda: os.kill(os.getpid(), signal.SIGUSR1))
        with pytest.raises(Stop):
            sqload.load("feed.csv", "out.db")
        feed.join()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert os.listdir() == ["feed.csv"]


IS_LOCKED = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0).execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
"""


def lock_seen_by_a_child(path):
    return subprocess.run([sys.executable, "-c", IS_LOCKED, path], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_database_that_is_open_here_is_refused_and_keeps_its_locks(dir, journal):
    dir.write("in.csv", "a\n1\n")
    connection = sqlite3.connect("x.db", isolation_level=None)
    connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.execute("CREATE TABLE old (a)")
    connection.execute("BEGIN IMMEDIATE")
    assert lock_seen_by_a_child("x.db") == "database is locked"
    for load in [
        lambda: sqload.load("in.csv", "x.db"),
        lambda: sqload.load("in.csv", "x.db", dry_run=True),
        lambda: sqload.load("in.csv", pathlib.Path("x.db").absolute()),
    ]:
        with pytest.raises(sqload.Error, match="is open in this process.*close it there first") as raised:
            load()
        assert raised.value.kind == "database_open_in_process"
        assert lock_seen_by_a_child("x.db") == "database is locked"
    connection.execute("ROLLBACK")
    connection.close()
    assert sqload.load("in.csv", "x.db").loaded == 1


@pytest.mark.parametrize("command", COMMAND, ids=["module", "script"])
def test_the_command_has_the_exit_codes_of_the_program(dir, command):
    dir.write("in.csv", "a,b\n1,2\n3\n")
    run = lambda *arguments: subprocess.run([*command, *arguments], capture_output=True, text=True)
    assert run("load", "in.csv", "out.db").returncode == 1
    assert run("load", "in.csv", "out.db", "--on-error", "skip").returncode == 3
    assert run("load", "in.csv").returncode == 2
    help = run()
    assert (help.returncode, help.stderr) == (0, "") and "Usage: sqload" in help.stdout
    assert run("load", "--help").returncode == 0
    version = run("--version")
    assert (version.returncode, version.stdout) == (0, f"sqload {sqload.__version__}\n")
    assert "SQLite compile options:" in run("--version", "--verbose").stdout
    failed = run("load", "in.csv", "new.db")
    assert "use --on-error skip" in failed.stderr and "Traceback" not in failed.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_command(dir, number):
    processes = []
    feed = Feed("feed.csv", then=lambda: processes[0].send_signal(number))
    processes.append(subprocess.Popen([*COMMAND[0], "load", "feed.csv", "out.db"], stderr=subprocess.PIPE, text=True))
    _, errors = processes[0].communicate()
    feed.join()
    assert processes[0].returncode == 130
    assert "interrupted" in errors and "Traceback" not in errors
    assert os.listdir() == ["feed.csv"]


def test_a_closed_pipe_ends_the_command(dir):
    command = [*COMMAND[0], "create-file", "-o", "-", "--number-rows", "1000000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 0)
