"""What a load returns, and what it raises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

# The command does not need `html` and `json`, and starts faster without them.


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

    def __init__(
        self,
        message: str,
        kind: str,
        position: tuple[str, int, int | None, int | None] | None = None,
        reason: tuple[str, str, str | None] | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
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

    def __init__(self, report: str, summary: str) -> None:
        self._report, self._summary = report, summary
        self.__dict__.update(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """The report as a dict."""
        import json

        fields: dict[str, Any] = json.loads(self._report)
        return fields

    def __str__(self) -> str:
        return self._summary

    def __repr__(self) -> str:
        names = ["status", "database", "table", "records", "loaded", "rejected", "seconds"]
        values = [f"{name}={vars(self)[name]!r}" for name in names if name in vars(self)]
        return f"<sqload.Report {' '.join(values)}>"

    def _repr_html_(self) -> str:
        from html import escape

        report = vars(self)
        counts = ["records", "loaded", "rejected", "filtered", "skipped", "ignored"]
        rows = [(name, f"{report[name]:,}") for name in counts if report.get(name)]
        rows += [("seconds", f"{report['seconds']:,.3f}")] if "seconds" in report else []
        for table in report.get("tables") or [report]:
            columns = [f"{column['name']} {column['declaration']}".strip() for column in table.get("columns", [])]
            rows += [(f"table {table['table']}", ", ".join(columns))] if "table" in table else []
        rows += [("note", note) for note in report.get("notes", [])]
        rows += [("warning", warning) for warning in report.get("warnings", [])]
        rows += [("error", self.error["message"])] if self.error else []
        caption = f"{self.status}: {', '.join(self.inputs)} → {self.database}"
        cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
        return f"<table><caption>{escape(caption)}</caption>{cells}</table>"


Report.__module__ = "sqload"
