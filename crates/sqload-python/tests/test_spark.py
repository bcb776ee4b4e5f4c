"""Shards from Spark."""

import datetime
import decimal
import json
import os
import shutil
import sys

import pytest
import sqload
from sqload.shards import ShardJob

if shutil.which("java") is None:
    pytest.skip("Spark needs java, which is not installed", allow_module_level=True)

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType
from sqload.spark import SqliteShards, write_shards
from test_documentation import BLOCK, sections

KEYS = [None, "", "NULL", "__HIVE_DEFAULT_PARTITION__", "a/b", "é", *(f"tenant {number}" for number in range(20))]
# Every key has rows in every partition.
ROWS = [(KEYS[number % len(KEYS)], number) for number in range(2000)]
SCHEMA = "k string, n int"


def session(master):
    os.environ.update(PYSPARK_PYTHON=sys.executable, PYSPARK_DRIVER_PYTHON=sys.executable, TZ="UTC")
    options = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "30",
        "spark.log.level": "OFF",
    }
    spark = SparkSession.builder.master(master).config(map=options).getOrCreate()
    spark.dataSource.register(SqliteShards)
    return spark


@pytest.fixture(scope="module")
def spark():
    # Two cores; a task may fail three times.
    spark = session("local[2,4]")
    yield spark
    spark.stop()


@pytest.fixture
def rows(spark):
    return spark.createDataFrame(ROWS, SCHEMA).repartition(3)


def grouped(df):
    return df.repartition("k").sortWithinPartitions("k", "n")


def save(df, **options):
    options = {"table": "t", "partitionBy": "k", **options}
    df.write.format("sqlite_shards").options(**options).mode("overwrite").save(os.path.abspath("out"))


def shards(dir, sql="SELECT * FROM t ORDER BY rowid"):
    """The rows of each key, by the manifest."""
    manifest = json.load(open("out/manifest.json"))
    found = {}
    for shard in manifest["shards"]:
        key = tuple(value for _, value in shard["key"]["columns"])
        assert key not in found
        found[key] = dir.rows(f"out/{shard['path']}", sql)
        assert len(found[key]) == shard["rows"]
    assert not os.path.exists("out/_staging")
    assert sum(map(len, found.values())) == manifest["rows"]
    return found


def expected(rows=ROWS):
    return {(key,): [row for row in rows if row[0] == key] for key, _ in rows}


def test_each_key_is_a_shard(dir, spark, rows):
    write_shards(rows, "out", "t", by="k", primary_key="n", index=[["k", "n"]])
    found = shards(dir)
    assert {key: sorted(values, key=lambda row: row[1]) for key, values in found.items()} == expected()
    assert "CREATE INDEX" in dir.schema("out/k=NULL/data.sqlite") and "PRIMARY KEY" in dir.schema("out/k=NULL/data.sqlite")
    assert os.path.exists("out/k=__HIVE_DEFAULT_PARTITION__/data.sqlite")
    assert os.path.exists("out/k=%5F_HIVE_DEFAULT_PARTITION__/data.sqlite")


def test_the_data_source_keeps_the_order_of_rows(dir, spark, rows):
    save(grouped(rows), partitionBy="K", index='["n"]', type='{"n": "TEXT"}')
    texts = {key: [(k, str(n)) for k, n in values] for key, values in expected().items()}
    assert shards(dir) == texts
    assert dir.rows("out/k=a%2Fb/data.sqlite", "SELECT DISTINCT typeof(n) FROM t") == [("text",)]
    assert [column for column, _ in json.load(open("out/manifest.json"))["shards"][0]["key"]["columns"]] == ["k"]


def test_values_have_the_documented_form(dir, spark):
    moment = datetime.datetime(2024, 1, 31, 18, 30, 0, 500_000)
    values = {
        "by tinyint": (-1, (-1, "integer")),
        "bi bigint": (2**63 - 1, (2**63 - 1, "integer")),
        "fl float": (0.5, (0.5, "real")),
        "db double": (0.1, (0.1, "real")),
        "ok boolean": (True, (1, "integer")),
        "tx string": ("é\0x", ("é\0x", "text")),
        "bn binary": (bytearray(b"\0\1"), (b"\0\1", "blob")),
        "d0 decimal(10,0)": (decimal.Decimal(12), (12, "integer")),
        "d2 decimal(10,2)": (decimal.Decimal("12.50"), ("12.50", "text")),
        "da date": (moment.date(), ("2024-01-31", "text")),
        "ts timestamp": (moment.replace(tzinfo=datetime.timezone.utc), ("2024-01-31 18:30:00.500+00:00", "text")),
        "nt timestamp_ntz": (moment, ("2024-01-31 18:30:00.500", "text")),
        "ar array<int>": ([1, None], ("[1,null]", "text")),
        "st struct<x:int>": ((1,), ('{"x":1}', "text")),
        "ma map<string,int>": ({"k": 1}, ('{"k":1}', "text")),
    }
    row, nulls = tuple(value for value, _ in values.values()), (None,) * len(values)
    df = spark.createDataFrame([row, nulls], ", ".join(values))
    write_shards(df, "out", "t")
    first, second = sorted(dir.table("out/data.sqlite", "t"), key=lambda row: row[0][0] is None)
    assert first == [expected for _, expected in values.values()]
    assert second == [(None, "null")] * len(values)


def test_keys_are_the_texts_of_values(dir, spark):
    day = datetime.date(2024, 1, 31)
    data = [(day, 7, True, "x"), (None, 7, True, "x"), (day, 7, False, "y")]
    df = spark.createDataFrame(data, "`a.b` date, `c` int, `d e` boolean, t string")
    write_shards(df, "out", "t", by=["a.b", "c", "d e"])
    found = shards(dir, "SELECT t FROM t")
    assert found == {("2024-01-31", "7", "1"): [("x",)], (None, "7", "1"): [("x",)], ("2024-01-31", "7", "0"): [("y",)]}


@pytest.mark.parametrize("by", ["k", ()])
def test_without_rows_the_manifest_is_empty(dir, spark, by):
    write_shards(spark.createDataFrame([], SCHEMA), "out", "t", by=by)
    assert shards(dir) == {}


def test_a_task_whose_first_attempt_fails_is_repeated(dir, spark, rows):
    def fail_once(batches):
        from pyspark import TaskContext

        for number, batch in enumerate(batches):
            if number == 5 and TaskContext.get().attemptNumber() == 0:
                raise RuntimeError("the first attempt fails")
            yield batch

    save(grouped(rows).mapInArrow(fail_once, SCHEMA))
    assert shards(dir) == expected()


def test_a_job_that_fails_leaves_the_old_shards(dir, spark, rows):
    write_shards(rows.where("n < 100"), "out", "t", by="k")
    manifest, old = open("out/manifest.json").read(), shards(dir)

    def fail(batches):
        for number, batch in enumerate(batches):
            if number == 5:
                raise RuntimeError("each attempt fails")
            yield batch

    with pytest.raises(PySparkException, match="each attempt fails"):
        save(grouped(rows).mapInArrow(fail, SCHEMA))
    assert open("out/manifest.json").read() == manifest
    assert shards(dir) == old


def test_a_new_manifest_replaces_the_old_one_only_on_request(dir, spark, rows):
    write_shards(rows, "out", "t", by="k")
    with pytest.raises(sqload.Error, match='already contains shards: use mode="overwrite" to replace them') as raised:
        write_shards(rows, "out", "t", by="k")
    assert raised.value.kind == "manifest_exists"
    write_shards(rows.where("n < 100"), "out", "t", by="k", mode="overwrite")
    assert {key: sorted(values, key=lambda row: row[1]) for key, values in shards(dir).items()} == expected(ROWS[:100])
    assert len(ShardJob.clean("out")) == len(KEYS)
    assert len(shards(dir)) == len(KEYS)


def test_a_key_in_several_partitions_is_an_error(dir, spark, rows):
    with pytest.raises(PySparkException, match=r"are in several partitions; use df.repartition\(\"k\"\).sortWithinPartitions\(\"k\"\)"):
        save(rows.sortWithinPartitions("k"))
    # Even if both have the same rows.
    with pytest.raises(PySparkException, match=r"the rows of k='x' are in several partitions"):
        save(spark.sparkContext.parallelize([("x", 1), ("x", 1)], 2).toDF(SCHEMA))
    with pytest.raises(PySparkException, match=r"the rows of the shard are in several partitions; use df.repartition\(1\)"):
        save(rows, partitionBy="[]")
    assert os.listdir("out") == []


def test_rows_that_are_not_sorted_are_an_error(dir, spark, rows):
    with pytest.raises(PySparkException, match=r"do not follow each other; use df.repartition\(\"k\"\).sortWithinPartitions\(\"k\"\)"):
        save(rows.repartition("k"))
    assert os.listdir("out") == []


@pytest.mark.parametrize(
    "options, message",
    [
        ({"table": ""}, "the options path and table are required"),
        ({"colour": "1"}, "unknown option 'colour': expected one of .*primary_key"),
        ({"partitionBy": "k,x"}, "partitionBy: no column 'x'; the columns are k, n"),
        ({"partitionBy": "d"}, "partitionBy: 'd' is a column of type double: cast it to string first"),
        ({"primary_key": "x"}, "correct primary_key"),
    ],
)
def test_wrong_options_are_errors(dir, spark, options, message):
    df = spark.createDataFrame([("x", 1)], SCHEMA)
    df = df.withColumn("d", df["n"].cast("double")) if "type" in message else df
    with pytest.raises(PySparkException, match=message):
        save(df, **options)
    assert not os.path.exists("out/manifest.json")


def test_other_modes_are_refused(dir, spark, rows):
    writer = grouped(rows).write.format("sqlite_shards").options(table="t", partitionBy="k")
    with pytest.raises(PySparkException, match=r"shards cannot be appended to: use mode\(\"overwrite\"\)"):
        writer.mode("append").save(os.path.abspath("out"))
    with pytest.raises(PySparkException, match="Overwrite"):
        writer.mode("error").save(os.path.abspath("out"))
    for path in ["s3://bucket/out", "file:/tmp/out", "out"]:
        with pytest.raises(PySparkException, match=f"path is '{path}': expected the absolute path of a directory"):
            writer.mode("overwrite").save(path)
    with pytest.raises(ValueError, match="mode is 'append': expected"):
        write_shards(rows, "out", "t", mode="append")
    assert not os.path.exists("out")


def test_the_code_in_the_documentation_runs(dir, spark):
    (text,) = [text for _, title, text in sections("docs/shards.md") if title == "Spark"]
    for _, _, code in BLOCK.findall(text):
        exec(compile(code.replace("/tmp/shops", f"{dir.path}/ordered"), "docs/shards.md", "exec"), {})
    for directory in ["shops", "ordered"]:
        assert dir.rows(f"{directory}/tenant=paris/data.sqlite", "SELECT amount FROM sales ORDER BY amount") == [(12,), (31,)]


def test_attempts_that_run_at_the_same_time_share_nothing(dir):
    # Spark starts speculative attempts on another host alone, so this takes the place of one.
    import pyarrow

    options = {"path": os.path.abspath("out"), "table": "t", "partitionBy": "k"}
    writer = SqliteShards(options).writer(StructType.fromDDL(SCHEMA), True)
    batch = pyarrow.record_batch({"k": ["x", "y"], "n": pyarrow.array([1, 2], pyarrow.int32())})
    other = None

    def slow():
        nonlocal other
        yield batch
        other = writer.write(iter([batch]))

    first = writer.write(slow())
    staged = {receipt["staged"] for message in (first, other) for receipt in message.receipts}
    assert len(staged) == 4
    writer.commit([other])
    assert shards(dir) == {("x",): [("x", 1)], ("y",): [("y", 2)]}
    # An attempt that Spark has not stopped in time publishes nothing, and can be cleaned.
    writer.write(iter([batch]))
    assert len(ShardJob.clean("out")) == 1
    assert shards(dir) == {("x",): [("x", 1)], ("y",): [("y", 2)]}
