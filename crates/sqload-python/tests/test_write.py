"""`write`: data in Arrow's layout."""

import os
import signal
import sqlite3
import threading

import duckdb
import pandas
import polars
import pyarrow
import pytest
import sqload

ROWS = [(1, "Ada", 1.5, True, None), (2, "Grace", -2.25, False, "x"), (-3, "O'Neil, \"é\"", 0.0, True, "")]
NAMES = ["id", "name", "score", "ok", "note"]
COLUMNS = {name: [row[index] for row in ROWS] for index, name in enumerate(NAMES)}
TYPED = [
    [(1, "integer"), ("Ada", "text"), (1.5, "real"), (1, "integer"), (None, "null")],
    [(2, "integer"), ("Grace", "text"), (-2.25, "real"), (0, "integer"), ("x", "text")],
    [(-3, "integer"), ("O'Neil, \"é\"", "text"), (0.0, "real"), (1, "integer"), ("", "text")],
]


def batches(number):
    """Batches of numbers: 0, 1, 2 and so on."""
    for start in range(0, number * 1000, 1000):
        yield pyarrow.record_batch({"n": list(range(start, start + 1000))})


def polars_frame():
    return polars.DataFrame(COLUMNS)


SOURCES = {
    "pyarrow table": lambda: pyarrow.table(COLUMNS),
    "pyarrow batch": lambda: pyarrow.record_batch(COLUMNS),
    "pyarrow reader": lambda: pyarrow.table(COLUMNS).to_reader(),
    "polars": polars_frame,
    "polars in chunks": lambda: polars.concat([polars_frame()[:1], polars_frame()[1:]], rechunk=False),
    "pandas": lambda: pandas.DataFrame(COLUMNS),
    "duckdb relation": lambda: duckdb.from_arrow(pyarrow.table(COLUMNS)),
    "duckdb query": lambda: duckdb.sql("SELECT * FROM source"),
    "array": lambda: OnlyArray(pyarrow.record_batch(COLUMNS)),
    "list of batches": lambda: pyarrow.table(COLUMNS).to_batches(max_chunksize=2),
    "generator of tables": lambda: (table for table in [pyarrow.table(COLUMNS)[:2], pyarrow.table(COLUMNS)[2:]]),
    "polars slices": lambda: polars_frame().iter_slices(2),
}


class OnlyArray:
    """An object with `__arrow_c_array__` alone."""

    def __init__(self, batch):
        self.batch = batch

    def __arrow_c_array__(self, requested_schema=None):
        return self.batch.__arrow_c_array__(requested_schema)


@pytest.mark.parametrize("source", SOURCES)
def test_every_kind_of_data_becomes_a_table(dir, source):
    duckdb.register("source", pyarrow.table(COLUMNS))
    report = sqload.write(SOURCES[source](), "out.db", "people")
    assert dir.table("out.db", "people") == TYPED
    assert dir.rows("out.db", "PRAGMA integrity_check") == [("ok",)]
    assert (report.loaded, report.table, report.status) == (3, "people", "loaded")
    names = [row[1] for row in dir.rows("out.db", "PRAGMA table_info(people)")]
    assert names == NAMES


@pytest.mark.parametrize("writer", ["direct", "statements"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_many_batches_keep_their_order(dir, writer, jobs):
    report = sqload.write(batches(100), "out.db", "t", writer=writer, jobs=jobs)
    assert (report.loaded, report.writer) == (100_000, writer)
    assert dir.rows("out.db", "SELECT n FROM t ORDER BY rowid") == [(n,) for n in range(100_000)]


def test_batches_are_taken_as_they_are_needed(dir):
    alive, most = 0, 0

    class Batch:
        """Counts those that are alive."""

        def __init__(self):
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

        def __arrow_c_array__(self, requested_schema=None):
            return pyarrow.record_batch({"n": range(10)}).__arrow_c_array__()

    sqload.write((Batch() for _ in range(1000)), "out.db", "t")
    assert most < 10


def test_memory_is_bounded_by_the_batches_in_flight(dir):
    batch = pyarrow.record_batch({"text": ["x" * 1000] * 1000})
    size, most = batch.nbytes, 0
    before = pyarrow.total_allocated_bytes()

    def copies():
        nonlocal most
        for _ in range(200):
            most = max(most, pyarrow.total_allocated_bytes() - before)
            yield pyarrow.record_batch({"text": pyarrow.array(batch["text"].to_pylist())})

    assert sqload.write(copies(), "out.db", "t").loaded == 200_000
    assert most < 40 * size


def test_existing_tables_are_kept_unless_if_exists_says_otherwise(dir):
    frame = polars.DataFrame({"id": [1, 2], "a": ["x", "y"]})
    sqload.write(frame, "t.db", "t", primary_key="id")
    sqload.write(frame, "t.db", "other")
    with pytest.raises(sqload.Error, match='use if_exists="append" or if_exists="truncate" to fill it') as raised:
        sqload.write(frame, "t.db", "t")
    assert raised.value.kind == "table_exists"
    more = polars.DataFrame({"a": ["z"], "id": [3]})
    sqload.write(more, "t.db", "t", if_exists="append")
    assert dir.rows("t.db", "SELECT * FROM t") == [(1, "x"), (2, "y"), (3, "z")]
    sqload.write(more, "t.db", "t", if_exists="truncate")
    assert dir.rows("t.db", "SELECT * FROM t") == [(3, "z")]
    assert "PRIMARY KEY" in dir.schema("t.db")
    sqload.write(more, "t.db", "t", if_exists="replace")
    assert dir.rows("t.db", "SELECT * FROM t") == [("z", 3)]
    assert dir.rows("t.db", "SELECT count(*) FROM other") == [(2,)]
    with pytest.raises(ValueError, match="if_exists is 'overwrite': expected"):
        sqload.write(frame, "t.db", "t", if_exists="overwrite")


def test_keys_indexes_and_upserts(dir):
    frame = polars.DataFrame({"id": [1, 2], "a": ["x", "y"], "b": [1.0, 2.0]})
    sqload.write(frame, "t.db", "t", primary_key=["id"], index=["a", ["b", "a"]], unique="a", not_null="b")
    assert "UNIQUE" in dir.schema("t.db") and "NOT NULL" in dir.schema("t.db")
    assert len(dir.rows("t.db", "SELECT 1 FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")) == 2
    new = polars.DataFrame({"id": [2, 3], "a": ["Y", "z"], "b": [3.0, 4.0]})
    report = sqload.write(new, "t.db", "t", if_exists="append", upsert=True)
    assert (report.inserted, report.updated) == (1, 1)
    assert dir.rows("t.db", "SELECT * FROM t") == [(1, "x", 1.0), (2, "Y", 3.0), (3, "z", 4.0)]
    assert sqload.write(new, "t.db", "t", if_exists="append", ignore=True).ignored == 2
    with pytest.raises(sqload.Error) as raised:
        sqload.write(new, "t.db", "t", if_exists="append")
    assert raised.value.kind in ("constraint", "rejected")
    with pytest.raises(sqload.Error, match="correct primary_key$"):
        sqload.write(frame, "new.db", "t", primary_key="x")
    with pytest.raises(sqload.Error, match="^the argument 'auto_id.*cannot be used with 'primary_key'"):
        sqload.write(frame, "new.db", "t", primary_key="id", auto_id="n")


def test_columns_may_be_chosen_and_computed(dir):
    frame = polars.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    sqload.write(frame, "1.db", "t", columns=["b"])
    assert dir.rows("1.db", "SELECT * FROM t") == [("x",), ("y",), ("z",)]
    sqload.write(frame, "2.db", "t", exclude="b", rename={"a": "n"}, auto_id=True)
    assert dir.rows("2.db", "SELECT id, n FROM t") == [(1, 1), (2, 2), (3, 3)]
    report = sqload.write(frame, "3.db", "t", select="a * 2 AS c, upper(b) AS b", where="a > 1")
    assert dir.table("3.db", "t") == [[(4, "integer"), ("Y", "text")], [(6, "integer"), ("Z", "text")]]
    assert report.filtered == 1
    sqload.write(frame, "4.db", "t", limit=2, strict=True)
    assert dir.rows("4.db", "SELECT count(*) FROM t") == [(2,)]


def test_texts_may_mean_null(dir):
    frame = polars.DataFrame({"a": ["", "NA"], "b": ["NA", "x"]})
    sqload.write(frame, "t.db", "t", empty_null=True, null={"a": "NA"})
    assert dir.rows("t.db", "SELECT * FROM t") == [(None, "NA"), (None, "x")]


def test_rejected_rows_are_counted(dir):
    frame = polars.DataFrame({"id": [1, 1, 2]})
    report = sqload.write(frame, "t.db", "t", primary_key="id", on_error="skip")
    assert (report.loaded, report.rejected, report.exit_code) == (2, 1, 3)


@pytest.mark.parametrize(
    "data, error, message",
    [
        (1, TypeError, "int is neither a table nor an iterable of tables"),
        ([1], TypeError, "int is neither a table nor an iterable of tables"),
        (polars.LazyFrame({"a": [1]}), TypeError, "LazyFrame is neither a table nor an iterable of tables"),
        ("a.csv", TypeError, "str is neither a table nor an iterable of tables"),
        ([], ValueError, "there are no batches, so the columns are unknown"),
        (pyarrow.array([1, 2]), TypeError, "the data is not a table"),
        (pyarrow.chunked_array([[1, 2]]), TypeError, "the data is not a table"),
        (pyarrow.array([{"a": 1}, None]), TypeError, "a row is null"),
        ([pyarrow.table({"a": [1]}), pyarrow.table({"a": ["x"]})], ValueError, 'the batches differ: the first has a column "a" with type Int64'),
        ([pyarrow.table({"a": [1]}), pyarrow.table({"a": [1], "b": [1]})], ValueError, "the batches differ: they have 1 and 2 columns"),
    ],
)
def test_other_objects_are_refused(dir, data, error, message):
    with pytest.raises(error, match=message):
        sqload.write(data, "out.db", "t")
    assert os.listdir() == []


def test_exceptions_of_a_generator_end_the_load(dir):
    class Oops(Exception):
        pass

    def failing(number):
        yield from batches(number)
        raise Oops("no more")

    for number in [0, 50]:
        with pytest.raises(Oops, match="no more"):
            sqload.write(failing(number), "out.db", "t")
    # A reader of pyarrow reports the exception of its generator in its own words.
    schema = pyarrow.schema({"n": pyarrow.int64()})
    reader = pyarrow.RecordBatchReader.from_batches(schema, failing(50))
    with pytest.raises(sqload.Error, match="no more"):
        sqload.write(reader, "out.db", "t")
    assert os.listdir() == []


@pytest.mark.parametrize(
    "data",
    [
        polars.DataFrame({"a": [None, None], "l": [[], None], "s": [{"x": None}, None]}),
        pyarrow.table({"a": [None, None], "l": [[], None], "s": [{"x": None}, None]}),
        pandas.DataFrame({"a": [None, None], "l": [[], None], "s": [{"x": None}, None]}),
        OnlyArray(pyarrow.record_batch({"a": [None, None], "l": [[], None], "s": [{"x": None}, None]})),
    ],
    ids=["polars", "pyarrow", "pandas", "array"],
)
def test_columns_of_type_null(dir, data):
    sqload.write(data, "out.db", "t")
    null = (None, "null")
    assert dir.table("out.db", "t") == [[null, ("[]", "text"), ('{"x":null}', "text")], [null, null, null]]


def test_slices_of_larger_arrays(dir):
    table = pyarrow.table({"a": list(range(100)), "b": [str(number) for number in range(100)], "c": [None] * 100})
    sqload.write([table.slice(98), table.to_batches()[0].slice(1, 1)], "out.db", "t")
    sqload.write(polars.from_arrow(table)[5:7], "out.db", "t", if_exists="append")
    assert dir.rows("out.db", "SELECT * FROM t") == [(n, str(n), None) for n in [98, 99, 1, 5, 6]]


def test_tables_without_rows_or_columns(dir):
    report = sqload.write(pyarrow.table({"a": pyarrow.array([], pyarrow.int64())}), "out.db", "t")
    assert report.loaded == 0 and "INTEGER" in dir.schema("out.db")
    with pytest.raises(sqload.Error):
        sqload.write(polars.DataFrame(), "none.db", "t")


def test_an_index_of_pandas_is_a_column_unless_it_is_the_default(dir):
    frames = {
        "default": (pandas.DataFrame({"b": [3, 4]}), ["b"]),
        "named range": (pandas.DataFrame({"b": [3, 4]}, index=pandas.RangeIndex(1, 3, name="a")), ["b", "a"]),
        "set": (pandas.DataFrame({"a": [1, 2], "b": [3, 4]}).set_index("a"), ["b", "a"]),
        "several": (pandas.DataFrame({"a": [1, 2], "c": ["x", "y"], "b": [3, 4]}).set_index(["a", "c"]), ["b", "a", "c"]),
        "dropped": (pandas.DataFrame({"b": [3, 4]}, index=["x", "y"]).reset_index(drop=True), ["b"]),
    }
    for name, (frame, columns) in frames.items():
        for data in [frame, iter([frame])]:
            report = sqload.write(data, "out.db", "t", if_exists="replace")
            assert [column["name"] for column in report.columns] == columns, name
    assert dir.rows("out.db", "SELECT * FROM t") == [(3,), (4,)]


def test_keyboard_interrupt_stops_a_write(dir):
    sqload.write(batches(1), "out.db", "t")
    before = (dir.path / "out.db").read_bytes()

    def endless():
        yield from batches(10)
        # Once: another signal could arrive when the write has ended.
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            yield from batches(10)

    with pytest.raises(KeyboardInterrupt):
        sqload.write(endless(), "out.db", "t", if_exists="append")
    assert (dir.path / "out.db").read_bytes() == before


def test_other_threads_run_during_a_write(dir):
    # The generator waits for another thread of Python.
    ask, answer = threading.Event(), threading.Event()

    def helper():
        ask.wait()
        answer.set()

    thread = threading.Thread(target=helper)
    thread.start()

    def waiting():
        yield from batches(2)
        ask.set()
        answer.wait()
        yield from batches(2)

    assert sqload.write(waiting(), "out.db", "t").loaded == 4000
    thread.join()


def test_a_database_that_is_open_here_is_refused(dir):
    connection = sqlite3.connect("x.db")
    connection.execute("CREATE TABLE old (a)")
    with pytest.raises(sqload.Error) as raised:
        sqload.write(polars_frame(), "x.db", "t")
    assert raised.value.kind == "database_open_in_process"
    connection.close()


def test_a_write_round_trips_through_polars_and_pandas(dir):
    frame = polars_frame()
    sqload.write(frame, "out.db", "t")
    connection = sqlite3.connect("out.db")
    again = polars.read_database("SELECT * FROM t", connection).with_columns(polars.col("ok").cast(polars.Boolean))
    assert again.equals(frame)
    series = pandas.read_sql("SELECT id FROM t", connection)["id"]
    connection.close()
    assert series.tolist() == [1, 2, -3]
