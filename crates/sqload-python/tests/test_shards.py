"""Shards that Python builds and commits."""

import inspect
import json
import os
import pickle
import subprocess
import sys

import polars
import pyarrow
import pytest
import sqload
from sqload.shards import ShardJob

ROWS = [(None, 1), (None, 2), ("", 3), ("NULL", 4), ("__HIVE_DEFAULT_PARTITION__", 5), ("a/b", 6), ("a/b", 7)]
FRAME = polars.DataFrame(ROWS, schema=["k", "n"], orient="row")


def files(directory="."):
    return sorted(os.path.relpath(os.path.join(path, file), directory) for path, _, names in os.walk(directory) for file in names)


def test_a_frame_becomes_a_shard_for_each_key(dir):
    job = ShardJob("out", "t", by="k")
    receipts = job.write(FRAME, index="n", primary_key="n")
    assert all(path.startswith("_staging/") for path in files("out"))
    manifest = job.commit(receipts, rows=len(ROWS))
    assert json.load(open("out/manifest.json")) == manifest
    assert (manifest["rows"], manifest["table"], manifest["columns"]) == (len(ROWS), "t", ["k"])
    found = {}
    for shard in manifest["shards"]:
        (_, key), = shard["key"]["columns"]
        found[key] = dir.rows(f"out/{shard['path']}", "SELECT * FROM t ORDER BY rowid")
        assert "CREATE INDEX" in dir.schema(f"out/{shard['path']}")
    assert found == {key: [row for row in ROWS if row[0] == key] for key, _ in ROWS}
    assert len(files("out")) == len(found) + 1


def test_jobs_and_receipts_travel_between_processes(dir):
    job = ShardJob("out", "t", ["k"])
    parts = [pickle.loads(pickle.dumps(job)).write(part) for part in (FRAME[:2], FRAME[2:])]
    os.mkdir("elsewhere")
    os.chdir("elsewhere")
    receipts = json.loads(json.dumps([receipt for part in parts for receipt in part]))
    manifest = pickle.loads(pickle.dumps(job)).commit(receipts + receipts)
    assert manifest["rows"] == len(ROWS)
    assert job.commit(receipts) == manifest


def test_the_newest_attempt_wins_and_two_shards_of_one_are_an_error(dir):
    job = ShardJob("out", "t")
    old, new = job.write(FRAME[:1], attempt=1), job.write(FRAME, attempt=2)
    other = job.write(FRAME[:3], attempt=2)
    with pytest.raises(sqload.Error, match="attempt 2 has two different shards of all rows") as raised:
        job.commit(old + new + other)
    assert raised.value.kind == "shard"
    with pytest.raises(sqload.Error, match="1 shard with 7 rows, expected 8 rows"):
        job.commit(old + new, rows=8)
    assert job.commit(new + old)["rows"] == len(ROWS)


def test_rows_of_a_key_must_follow_each_other(dir):
    job = ShardJob("out", "t", by="k")
    with pytest.raises(sqload.Error, match="^the rows of k='x' do not follow each other; sort the rows by the columns of the key$") as raised:
        job.write(polars.DataFrame({"k": ["x", "y", "x"]}))
    assert raised.value.kind == "not_grouped"
    assert files() == []


def test_wrong_jobs_are_refused(dir):
    with pytest.raises(sqload.Error, match='no column "x" to build shards by.*; correct by$'):
        ShardJob("out", "t", by="x").write(FRAME)
    with pytest.raises(sqload.Error, match="the id of a job consists of"):
        ShardJob("out", "t", id="../x").write(FRAME)
    with pytest.raises(sqload.Error, match='cannot build shards by "k", a column of type Float64: convert it to text first'):
        ShardJob("out", "t", by="k").write(polars.DataFrame({"k": [1.5]}))
    with pytest.raises(sqload.Error, match="; correct primary_key$"):
        ShardJob("out", "t").write(FRAME, primary_key="x")
    with pytest.raises(sqload.Error, match="not of the job"):
        ShardJob("out", "t").commit(ShardJob("out", "t").write(FRAME))


def test_exceptions_of_the_data_end_the_shards(dir):
    def failing():
        yield pyarrow.table({"k": ["x", "y"]})
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        ShardJob("out", "t", by="k").write(failing())
    assert files() == []


def test_abort_and_clean(dir):
    first = ShardJob("out", "t", by="k")
    first.commit(first.write(FRAME))
    before = open("out/manifest.json").read()
    aborted, dead, live = (ShardJob("out", "t", by="k") for _ in range(3))
    for job in [aborted, dead, live]:
        job.write(FRAME[2:])
    aborted.abort()
    assert sorted(os.listdir("out/_staging")) == sorted([dead.id, live.id])
    assert ShardJob.clean("out", [live.id]) == [f"out/_staging/{dead.id}"]
    live.abort()
    assert open("out/manifest.json").read() == before
    second = ShardJob("out", "t", by="k")
    second.commit(second.write(FRAME[5:6]))
    removed = ShardJob.clean("out")
    assert len(removed) == 5
    assert files("out") == sorted(["manifest.json", second.commit(second.write(FRAME[5:6]))["shards"][0]["path"]])


@pytest.mark.parametrize("missing", ["pyspark", "pyspark.sql.datasource"])
def test_without_spark_the_extra_is_named(dir, missing):
    program = f"import sys; sys.modules[{missing!r}] = None; import sqload.spark"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "ImportError: sqload.spark needs Spark 4 or later: pip install 'sqload[spark]'" in result.stderr


def test_the_keywords_are_those_of_write():
    keywords = inspect.signature(ShardJob.write).parameters
    write = inspect.signature(sqload.write).parameters
    for name in set(keywords) - {"self", "data", "attempt"}:
        assert (keywords[name].default, keywords[name].annotation) == (write[name].default, write[name].annotation), name
