"""Loads files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from . import _sqload
from ._arguments import arguments, path, paths
from ._report import Report
from ._types import Groups, Names, Path, Size


def load(
    inputs: Path | Sequence[Path],
    database: Path | None = None,
    table: str | None = None,
    *,
    replace: bool = False,
    append: bool = False,
    truncate: bool = False,
    table_per_input: bool = False,
    pk: Names | None = None,
    auto_id: bool | str = False,
    not_null: Names | None = None,
    unique: Groups | None = None,
    index: Groups | None = None,
    strict: bool = False,
    without_rowid: bool = False,
    add_columns: bool = False,
    ignore: bool = False,
    upsert: bool = False,
    shards_by: Names | None = None,
    into: Path | None = None,
    shards: int | None = None,
    union_by_name: bool = False,
    file_column: str | None = None,
    columns: Names | None = None,
    exclude: Names | None = None,
    select: str | None = None,
    where: str | None = None,
    rename: Mapping[str, str] | None = None,
    limit: int | None = None,
    no_headers: bool = False,
    header_rows: int | None = None,
    format: Literal["csv", "tsv", "excel", "mysql", "postgres", "hive", "vcf"] | None = None,
    delimiter: str | None = None,
    tsv: bool = False,
    quote: str | None = None,
    encoding: str | None = None,
    escape: str | None = None,
    comment: str | None = None,
    trim: bool = False,
    empty_null: bool = False,
    null: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    names: Names | None = None,
    type: Mapping[str, str] | None = None,
    all_text: bool = False,
    skip_lines: int = 0,
    force: bool = False,
    skip_rows: int = 0,
    skip_footer: int = 0,
    skip_empty: bool = False,
    max_record_size: Size = "16M",
    on_error: Literal["abort", "skip"] | None = None,
    max_errors: int | None = None,
    ragged: Literal["reject", "pad", "fit"] = "reject",
    invalid_utf8: Literal["reject", "replace"] = "reject",
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
    dry_run: bool = False,
    explain: bool = False,
    report: Path | None = None,
) -> Report:
    """Loads CSV files into a table of a SQLite database: everything, or nothing if there is an error.

    `inputs` is a path or a list of paths: files, patterns such as `sales-*.csv`, or `-` for standard input. `database` is
    created if it does not exist; leave it out if `into` names a directory of shards. `table` is by default named after the first input. The keywords are the options of the
    command `sqload load`; a string where a list is expected is a single name.

    Table:
        replace: replace an existing table
        append: add rows to an existing table, matching columns by name
        truncate: delete all rows of an existing table first
        table_per_input: load each input into a table of its own, named after it
        pk: the columns of the primary key
        auto_id: number the rows in a first column, the primary key: True calls it `id`
        not_null: declare columns NOT NULL
        unique: columns with a UNIQUE constraint; each item is a column or a group of columns
        index: columns with an index; each item is a column or a group of columns
        strict: create a STRICT table
        without_rowid: create a WITHOUT ROWID table
        add_columns: add columns that an existing table lacks
        ignore: ignore and count rows whose key exists
        upsert: update the existing row if the primary key exists

    Shards:
        shards_by: build one database for each value of these columns, and publish them with a manifest
        into: the directory of the shards
        shards: build at most this number of databases, by the hash of the columns

    Columns:
        union_by_name: load the columns of all inputs; columns that an input lacks are NULL
        file_column: add a column that names the input of each row
        columns: load only these, in this order
        exclude: load all except these
        select: compute the columns with a SQL select list
        where: load only records for which a SQL expression is true
        rename: new names, such as `{"old": "new"}`

    Input:
        format: set the options that a file format needs: `csv`, `tsv`, `excel`, `mysql`, `postgres`, `hive` or `vcf`
        delimiter: between fields: up to 8 bytes, or `blanks` for runs of spaces and tabs; detected by default
        tsv: fields are separated by tabs
        quote: the quote character; `none` disables quoting
        encoding: the text encoding, such as `utf-16le`, `latin-1`, `cp850` or `shift_jis`
        escape: the escape character
        comment: skip lines that start with this text
        trim: remove spaces and tabs around fields and names of columns
        empty_null: load empty fields as NULL
        null: texts that mean NULL: one, a list, or a dict with those of single columns
        decimal: the decimal mark of numbers
        thousands: the separator between groups of three digits
        names: the input has no header; its columns have these names
        type: declared types, such as `{"price": "REAL"}`
        all_text: make all columns TEXT
        skip_lines: the number of lines before the header
        force: load as CSV what looks like another format
        skip_rows: the number of records to skip after the header
        skip_footer: the number of records to skip at the end of each input
        skip_empty: skip records without a value
        max_record_size: the maximum size of a record, in bytes or with a suffix
        limit: read only this number of records
        no_headers: the input has no header; name the columns `column1`, `column2` and so on
        header_rows: the number of records of the header

    Bad records:
        on_error: `skip` records that cannot be loaded, or `abort` at the first one
        max_errors: skip at most this number of records
        ragged: records with too few or too many fields: `reject`, `pad` short ones, or `fit` all
        invalid_utf8: `reject` records with invalid UTF-8, or `replace` the invalid bytes
        rejects: the file for rejected records; their reasons go to a file beside it

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
        dry_run: try the first records in memory, and return what a load would do
        explain: return which SQL expressions are compiled, and which SQLite evaluates
        report: write the report to this file, as HTML if its name ends in .html, otherwise as JSON

    Raises `Error`. KeyboardInterrupt stops the load. In either case the database has its old content.
    """
    keywords = dict(locals())
    files = paths(keywords.pop("inputs"), "inputs")
    keywords.pop("database")
    options = arguments(keywords)
    if into is None:
        files.append(path(database, "database"))
    elif database is not None:
        raise ValueError("leave out database: into names the directory of the shards")
    return Report(*_sqload.load(["load", *options, "--", *files]))


def run_pipeline(
    pipeline: Path,
    inputs: Path | Sequence[Path] | None = None,
    database: Path | None = None,
    *,
    replace: bool = False,
    append: bool = False,
    format: Literal["csv", "tsv", "excel", "mysql", "postgres", "hive", "vcf"] | None = None,
    delimiter: str | None = None,
    tsv: bool = False,
    quote: str | None = None,
    encoding: str | None = None,
    escape: str | None = None,
    comment: str | None = None,
    trim: bool = False,
    empty_null: bool = False,
    null: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    names: Names | None = None,
    type: Mapping[str, str] | None = None,
    all_text: bool = False,
    skip_lines: int = 0,
    force: bool = False,
    skip_rows: int = 0,
    skip_footer: int = 0,
    skip_empty: bool = False,
    max_record_size: Size = "16M",
    on_error: Literal["abort", "skip"] | None = None,
    max_errors: int | None = None,
    ragged: Literal["reject", "pad", "fit"] = "reject",
    invalid_utf8: Literal["reject", "replace"] = "reject",
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
    dry_run: bool = False,
    explain: bool = False,
    report: Path | None = None,
) -> Report:
    """Loads CSV files as described by a pipeline in SQL: everything, or nothing if there is an error.

    `pipeline` is the path of a file with CREATE TABLE, INSERT INTO ... SELECT ... FROM input, and more. `inputs` and `database`
    have by default the path of the pipeline, ending in .csv and .db. The keywords are the options of the command
    `sqload run-pipeline`.

    Table:
        replace: replace an existing table
        append: add rows to an existing table

    Input:
        format: set the options that a file format needs: `csv`, `tsv`, `excel`, `mysql`, `postgres`, `hive` or `vcf`
        delimiter: between fields: up to 8 bytes, or `blanks` for runs of spaces and tabs; detected by default
        tsv: fields are separated by tabs
        quote: the quote character; `none` disables quoting
        encoding: the text encoding, such as `utf-16le`, `latin-1`, `cp850` or `shift_jis`
        escape: the escape character
        comment: skip lines that start with this text
        trim: remove spaces and tabs around fields and names of columns
        empty_null: load empty fields as NULL
        null: texts that mean NULL: one, a list, or a dict with those of single columns
        decimal: the decimal mark of numbers
        thousands: the separator between groups of three digits
        names: the input has no header; its columns have these names
        type: declared types, such as `{"price": "REAL"}`
        all_text: make all columns TEXT
        skip_lines: the number of lines before the header
        force: load as CSV what looks like another format
        skip_rows: the number of records to skip after the header
        skip_footer: the number of records to skip at the end of each input
        skip_empty: skip records without a value
        max_record_size: the maximum size of a record, in bytes or with a suffix

    Bad records:
        on_error: `skip` records that cannot be loaded, or `abort` at the first one
        max_errors: skip at most this number of records
        ragged: records with too few or too many fields: `reject`, `pad` short ones, or `fit` all
        invalid_utf8: `reject` records with invalid UTF-8, or `replace` the invalid bytes
        rejects: the file for rejected records; their reasons go to a file beside it

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
        dry_run: try the first records in memory, and return what a load would do
        explain: return which SQL expressions are compiled, and which SQLite evaluates
        report: write the report to this file, as HTML if its name ends in .html, otherwise as JSON

    Raises `Error`. KeyboardInterrupt stops the load. In either case the database has its old content.
    """
    keywords = dict(locals())
    file = path(keywords.pop("pipeline"), "pipeline")
    files = keywords.pop("inputs")
    options = [] if files is None else [f"--input={item}" for item in paths(files, "inputs")]
    return Report(*_sqload.load(["run-pipeline", *options, *arguments(keywords), "--", file]))
