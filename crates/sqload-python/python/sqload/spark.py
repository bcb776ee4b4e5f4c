"""Shards from Spark 4: a SQLite database for each tenant, day or other key of a DataFrame, published by a manifest.

>>> from sqload.spark import write_shards
>>> write_shards(df, "/shared/shops", "sales", by="tenant", index="sold")

`write_shards` repartitions and sorts the rows. The same as a data source of Spark:

>>> spark.dataSource.register(SqliteShards)
>>> rows = df.repartition("tenant").sortWithinPartitions("tenant")
>>> rows.write.format("sqlite_shards").options(table="sales", partitionBy="tenant").mode("overwrite").save("/shared/shops")
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

try:
    from pyspark import TaskContext
    from pyspark.sql import DataFrame
    from pyspark.sql.datasource import DataSource, DataSourceArrowWriter, WriterCommitMessage
    from pyspark.sql.types import BinaryType, DoubleType, FloatType, StructType
except ImportError as error:
    raise ImportError("sqload.spark needs Spark 4 or later: pip install 'sqload[spark]'") from error

from ._arguments import names
from ._report import Error
from ._types import Names, Path
from .shards import ShardJob

if TYPE_CHECKING:
    from pyarrow import RecordBatch

__all__ = ["SqliteShards", "write_shards"]

# The keywords of `ShardJob.write` that are options. An executor runs a task on each of its cores.
_KEYWORDS = {name for name in inspect.signature(ShardJob.write).parameters if name not in ("self", "data", "attempt")}
_DEFAULTS = {"jobs": 1}


def write_shards(
    df: DataFrame,
    path: Path,
    table: str,
    *,
    by: Names = (),
    mode: Literal["error", "overwrite"] = "error",
    durable: bool = False,
    **keywords: Any,
) -> None:
    """Writes a DataFrame to one database for each key, below the directory `path`, which all executors and the driver see. The
    rows are repartitioned and sorted by the key.

    by: the columns of the key; without them, all rows are one shard
    mode: if `path` has a manifest, raise an `error`, or `overwrite` it with a new one
    durable: wait until everything is on disk before the manifest is published

    The other keywords are those of `ShardJob.write`, such as `primary_key` and `index`.
    """
    if mode not in ("error", "overwrite"):
        raise ValueError(f'mode is {mode!r}: expected "error" or "overwrite"')
    directory = os.path.abspath(path)
    if mode == "error" and os.path.exists(os.path.join(directory, "manifest.json")):
        raise Error(f'{directory} already contains shards: use mode="overwrite" to replace them', "manifest_exists")
    columns = names("by", by)
    options = {"table": table, "partitionBy": columns, "durable": durable, **keywords}
    df.sparkSession.dataSource.register(SqliteShards)
    rows = df.repartition(*map(_quoted, columns)).sortWithinPartitions(*map(_quoted, columns)) if columns else df.repartition(1)
    texts = {name: json.dumps(value) for name, value in options.items() if value is not None}
    rows.write.format(SqliteShards.name()).options(**texts).mode("overwrite").save(directory)


def _quoted(column: str) -> str:
    """A name for Spark, in which dots have no meaning."""
    return "`" + column.replace("`", "``") + "`"


class SqliteShards(DataSource):
    """The data source `sqlite_shards`, which can be written: `spark.dataSource.register(SqliteShards)`.

    Options: `path`; `table`; `partitionBy`, the columns of the key, separated by commas; `durable`; and the keywords of
    `ShardJob.write`, such as `primary_key` and `index`. Lists, dicts, numbers and booleans are written as JSON, as in
    `["id", "day"]` and `true`; any other text is that text.

    The mode is `overwrite`, which publishes a new manifest when the job is complete.
    """

    @classmethod
    def name(cls) -> str:
        return "sqlite_shards"

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceArrowWriter:
        if not overwrite:
            raise ValueError('shards cannot be appended to: use mode("overwrite") to publish new ones')
        options = {name.lower(): value for name, value in self.options.items()}
        directory, by = options.pop("path", None), options.pop("partitionby", "[]")
        table = options.pop("table", None)
        if not directory or not table:
            raise ValueError("the options path and table are required")
        if not os.path.isabs(directory):
            # Workers have current directories of their own, and `file:` and `s3:` are no directories.
            raise ValueError(f"path is {directory!r}: expected the absolute path of a directory that all executors and the driver see")
        durable = _value(options.pop("durable", "false"))
        columns = _columns(schema, _value(by))
        unknown = options.keys() - _KEYWORDS
        if unknown:
            raise ValueError(f"unknown option {min(unknown)!r}: expected one of {', '.join(sorted(_KEYWORDS))}")
        named = _value(table)
        job = ShardJob(directory, named if isinstance(named, str) else table, columns, durable=durable is True)
        return _Writer(job, {**_DEFAULTS, **{name: _value(text) for name, text in options.items()}})


def _value(text: str) -> Any:
    """The value of an option."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _columns(schema: StructType, value: str | Sequence[str]) -> list[str]:
    """The columns of the key, as they are written in the schema."""
    columns = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
    found = []
    for column in columns:
        fields = [field for field in schema.fields if field.name.lower() == column.lower()]
        if not fields:
            raise ValueError(f"partitionBy: no column {column!r}; the columns are {', '.join(schema.fieldNames())}")
        if isinstance(fields[0].dataType, (BinaryType, DoubleType, FloatType)):
            kind = fields[0].dataType.simpleString()
            raise ValueError(f"partitionBy: {column!r} is a column of type {kind}: cast it to string first")
        found.append(fields[0].name)
    return found


@dataclass
class _Message(WriterCommitMessage):
    """What a task has written."""

    rows: int
    receipts: list[dict[str, Any]]


class _Writer(DataSourceArrowWriter):
    """`write` runs in each task, `commit` and `abort` on the driver."""

    def __init__(self, job: ShardJob, keywords: dict[str, Any]) -> None:
        self.job, self.keywords = job, keywords

    def write(self, iterator: Iterator[RecordBatch]) -> _Message:
        message = _Message(0, [])

        def counted(batches: Iterable[RecordBatch]) -> Iterator[RecordBatch]:
            for batch in batches:
                message.rows += batch.num_rows
                yield batch

        first = next(iterator, None)
        if first is None:
            return message
        context = TaskContext.get()
        attempt = context.attemptNumber() if context else 0
        try:
            message.receipts = self.job.write(counted(chain([first], iterator)), attempt=attempt, **self.keywords)
        except Error as error:
            if error.kind != "not_grouped":
                raise
            raise Error(f"{str(error).partition(';')[0]}; {self._advice()}", error.kind) from None
        return message

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        complete = [message for message in messages if isinstance(message, _Message)]
        if len(complete) < len(messages):
            raise Error("a task has no receipts", "internal")
        receipts, keys = [], set()
        for receipt in chain.from_iterable(message.receipts for message in complete):
            # Spark sends one message for each partition, whatever the number of its attempts.
            key = json.dumps(receipt["key"])
            if key in keys:
                raise Error(f"the rows of {_phrase(receipt['key'])} are in several partitions; {self._advice()}", "not_grouped")
            keys.add(key)
            receipts.append(receipt)
        self.job.commit(receipts, rows=sum(message.rows for message in complete))

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        self.job.abort()

    def _advice(self) -> str:
        columns = ", ".join(json.dumps(column) for column in self.job.by)
        return f"use df.repartition({columns}).sortWithinPartitions({columns})" if columns else "use df.repartition(1)"


def _phrase(key: dict[str, Any]) -> str:
    """A key for messages."""
    columns = [f"{column}=NULL" if value is None else f"{column}={value!r}" for column, value in key["columns"]]
    return ", ".join(columns) or "the shard"
