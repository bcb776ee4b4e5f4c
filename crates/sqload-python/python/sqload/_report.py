"""What a load returns, and what it raises."""

from __future__ import annotations

import copy
import html
import json
from typing import Any, NamedTuple


class Position(NamedTuple):
    """A position in an input."""

    input: str
    """The name of the input: its path, or `-` for standard input."""
    record: int
    """The number of the record, counted from 1 after the header; 0 for the header itself."""
    line: int | None
    """The line, counted from 1; None if the input has no lines."""
    offset: int | None
    """The offset in bytes from the start of the input; None if the input has no lines."""


class Reason(NamedTuple):
    """Why a record was rejected."""

    kind: str
    """An identifier that does not change, such as `field_count`."""
    message: str
    """The reason in words."""
    column: str | None
    """The column of the table, if the reason is about a single one."""


class Error(Exception):
    """A load failed. The database has its old content."""

    message: str
    """What happened, where, and what to do."""
    kind: str
    """An identifier that does not change, such as `table_exists`."""
    position: Position | None
    """Where in the input, if the error is about a record."""
    reason: Reason | None
    """Why a record was rejected, if the error is about a rejected record."""
    warnings: list[str]
    """What looked wrong in the inputs before the error."""

    def __init__(self, message, kind, position=None, reason=None, warnings=()):
        super().__init__(message, kind, position, reason, warnings)
        self.message = message
        self.kind = kind
        self.position = None if position is None else Position(*position)
        self.reason = None if reason is None else Reason(*reason)
        self.warnings = list(warnings)

    def __str__(self) -> str:
        return self.message


Error.__module__ = "sqload"


class Report:
    """The report of a load: its attributes are the fields of a report in JSON.

    `str` gives the summary that the command prints. With `dry_run`, the status is `checked`, or `failed` if the load would fail;
    with `explain`, it is `explained`.
    """

    status: str
    """`loaded`, `checked`, `explained` or `failed`."""
    exit_code: int
    """0, 3 if records were rejected, or 4 if the rows are possibly not on disk yet."""
    error: dict[str, Any] | None
    """Why the load would fail, for `dry_run`."""
    inputs: list[str]
    database: str
    table: str
    """The name of the table; missing if each input has a table of its own."""
    tables: list[dict[str, Any]]
    """The tables, if each input has one of its own."""
    columns: list[dict[str, Any]]
    """The columns of the table: `name`, `declaration`, and for some numbers `format`."""
    replaced: dict[str, Any] | None
    """What the load has replaced or deleted."""
    notes: list[str]
    """Decisions about the inputs and columns."""
    warnings: list[str]
    """What looks wrong in the inputs, and what failed after the rows were loaded."""
    writer: str
    """`direct` or `statements`."""
    writer_reason: str | None
    """Why the rows were written with statements."""
    jobs: int
    bytes: int
    """The size of the inputs."""
    records: int
    """The number of records read: loaded, rejected, filtered, skipped and ignored."""
    loaded: int
    """Inserted and updated rows."""
    inserted: int
    updated: int
    rejected: int
    filtered: int
    skipped: int
    ignored: int
    padded: int
    cut: int
    utf8_replaced: int
    nul_values: int
    rejects: list[str]
    """The files with the rejected records."""
    is_verified: bool
    is_durable: bool | None
    """True if the rows are on disk; None if the load did not wait for the disk."""
    seconds: float
    rows_per_second: float
    megabytes_per_second: float
    stages: dict[str, float]
    """How long each stage was busy, in seconds."""

    def __init__(self, report: str, summary: str):
        values = json.loads(report)
        self.__dict__.update(values)
        self._values, self._summary = values, summary

    def to_dict(self) -> dict[str, Any]:
        """The report as a dict."""
        return copy.deepcopy(self._values)

    def __str__(self) -> str:
        return self._summary

    def __repr__(self) -> str:
        names = ["status", "database", "table", "records", "loaded", "rejected", "seconds"]
        values = [f"{name}={self._values[name]!r}" for name in names if name in self._values]
        return f"<sqload.Report {' '.join(values)}>"

    def _repr_html_(self) -> str:
        counts = ["records", "loaded", "rejected", "filtered", "skipped", "ignored"]
        rows = [(name, f"{self._values[name]:,}") for name in counts if self._values.get(name)]
        rows += [(name, f"{self._values[name]:,.3f}") for name in ["seconds"] if name in self._values]
        tables = [self._values] if "table" in self._values else self._values.get("tables", [])
        for table in tables:
            columns = [f"{column['name']} {column['declaration']}".strip() for column in table.get("columns", [])]
            rows.append((f"table {table['table']}", ", ".join(columns)))
        rows += [("note", note) for note in self._values.get("notes", [])]
        rows += [("warning", warning) for warning in self._values.get("warnings", [])]
        if self._values["error"]:
            rows.append(("error", self._values["error"]["message"]))
        inputs = ", ".join(self._values["inputs"])
        caption = f"{self._values['status']}: {inputs} → {self._values['database']}"
        cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in rows)
        return f"<table><caption>{html.escape(caption)}</caption>{cells}</table>"


Report.__module__ = "sqload"
