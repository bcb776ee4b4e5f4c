"""Writes data in Arrow's layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from . import _sqload
from ._arguments import arguments, path
from ._report import Report
from ._types import Groups, Names, Path, Size


def write(
    data: object,
    database: Path,
    table: str,
    *,
    if_exists: Literal["fail", "append", "replace", "truncate"] = "fail",
    primary_key: Names | None = None,
    auto_id: bool | str = False,
    not_null: Names | None = None,
    unique: Groups | None = None,
    index: Groups | None = None,
    strict: bool = False,
    without_rowid: bool = False,
    add_columns: bool = False,
    ignore: bool = False,
    upsert: bool = False,
    columns: Names | None = None,
    exclude: Names | None = None,
    select: str | None = None,
    where: str | None = None,
    rename: Mapping[str, str] | None = None,
    type: Mapping[str, str] | None = None,
    all_text: bool = False,
    empty_null: bool = False,
    null: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    limit: int | None = None,
    on_error: Literal["abort", "skip"] | None = None,
    max_errors: int | None = None,
    rejects: Path | None = None,
    jobs: int | None = None,
    writer: Literal["auto", "statements", "direct"] = "auto",
    memory: Size = "1G",
    synchronous: Literal["off", "normal", "full", "extra"] = "off",
    page_size: Size | None = None,
    cache_size: Size = 40000,
    busy_timeout: float | str = 5,
    batch_rows: int = 50,
    verify: bool = False,
    analyze: bool = False,
    vacuum: bool = False,
    report: Path | None = None,
) -> Report:
    """Writes a DataFrame, or other data in Arrow's layout, to a table of a SQLite database: everything, or nothing if there is
    an error.

    `data` is an object with `__arrow_c_stream__` or `__arrow_c_array__`, such as a DataFrame of Polars or pandas (2.2 or later),
    a table, batch or reader of pyarrow, or a relation of DuckDB; or an iterable of such objects with the same columns, which
    are written one after the other. `database` is created if it does not exist. A string where a list is expected is a
    single name.

    Table:
        if_exists: if the table exists, `fail`, `append` rows, `replace` the table, or `truncate` it first
        primary_key: the columns of the primary key
        auto_id: number the rows in a first column, the primary key: True calls it `id`
        not_null: declare columns NOT NULL
        unique: columns with a UNIQUE constraint; each item is a column or a group of columns
        index: columns with an index; each item is a column or a group of columns
        strict: create a STRICT table
        without_rowid: create a WITHOUT ROWID table
        add_columns: add columns that an existing table lacks
        ignore: ignore and count rows whose key exists
        upsert: update the existing row if the primary key exists

    Columns:
        columns: load only these, in this order
        exclude: load all except these
        select: compute the columns with a SQL select list
        where: load only records for which a SQL expression is true
        rename: new names, such as `{"old": "new"}`
        type: declared types, such as `{"price": "REAL"}`
        all_text: make all columns TEXT
        empty_null: write empty texts as NULL
        null: texts that mean NULL: one, a list, or a dict with those of single columns
        limit: write only this number of rows

    Bad rows:
        on_error: `skip` rows that cannot be loaded, or `abort` at the first one
        max_errors: skip at most this number of rows
        rejects: the file for rejected rows; their reasons go to a file beside it

    Database:
        jobs: the number of worker threads; one per core by default
        writer: write finished pages (`direct`) or INSERT (`statements`); `auto` writes pages where possible
        memory: for sorting keys, in MiB or with a suffix
        synchronous: when to wait for the disk: `off`, `normal`, `full` or `extra`
        page_size: of a new database
        cache_size: of SQLite's page cache, in KiB or with a suffix
        busy_timeout: how long to wait for a locked database, in seconds or with a suffix
        batch_rows: the number of rows per INSERT
        verify: check the database before the load takes effect
        analyze: run ANALYZE on the table
        vacuum: run VACUUM at the end

    Output:
        report: write the report to this file, as HTML if its name ends in .html, otherwise as JSON

    Raises `Error`. KeyboardInterrupt stops the load. In either case the database has its old content.
    """
    keywords = dict(locals())
    del keywords["data"], keywords["database"], keywords["if_exists"]
    keywords["pk"] = keywords.pop("primary_key")
    if if_exists not in ("fail", "append", "replace", "truncate"):
        raise ValueError(f'if_exists is {if_exists!r}: expected "fail", "append", "replace" or "truncate"')
    if if_exists != "fail":
        keywords[if_exists] = True
    files = ["-", path(database, "database")]
    return Report(*_sqload.write(data, ["load", *arguments(keywords), "--", *files]))
