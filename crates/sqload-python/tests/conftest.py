"""What the tests share."""

import signal
import sqlite3

import pytest

# A shell that runs the tests in the background has SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Directory:
    """A temporary directory, which is the current one."""

    def __init__(self, path):
        self.path = path

    def write(self, name, text):
        (self.path / name).write_text(text, encoding="utf-8")
        return name

    def rows(self, database, sql):
        connection = sqlite3.connect(self.path / database)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def table(self, database, table):
        """The rows with their types, in rowid order."""
        columns = [row[1] for row in self.rows(database, f'PRAGMA table_info("{table}")')]
        items = ", ".join(f'"{column}", typeof("{column}")' for column in columns)
        rows = self.rows(database, f'SELECT {items} FROM "{table}" ORDER BY rowid')
        return [list(zip(row[::2], row[1::2])) for row in rows]

    def schema(self, database):
        return "\n".join(sql for (sql,) in self.rows(database, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"))


@pytest.fixture
def dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Directory(tmp_path)
