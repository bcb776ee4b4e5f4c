"""Types of Polars, pandas, pyarrow and DuckDB, as `docs/arrow.md` describes them. Each library exports them in its own layout."""

import datetime
import decimal

import duckdb
import pandas
import polars
import pyarrow
import pytest
import sqload

MOMENT = datetime.datetime(2024, 1, 31, 18, 30, 0, 500_000)
UTC = datetime.timezone.utc
NULL = (None, "null")

# A column, and its value in the database. Each column has a NULL, too.
VALUES = {
    "pyarrow int8": (pyarrow.array([-1, None], pyarrow.int8()), (-1, "integer")),
    "pyarrow uint64": (pyarrow.array([2**63 - 1, None], pyarrow.uint64()), (2**63 - 1, "integer")),
    "pyarrow half": (pyarrow.array([1.5, None], pyarrow.float16()), (1.5, "real")),
    "pyarrow dictionary": (pyarrow.array(["x", None]).dictionary_encode(), ("x", "text")),
    "pyarrow large string": (pyarrow.array(["x", None], pyarrow.large_string()), ("x", "text")),
    "pyarrow string view": (pyarrow.array(["a longer text than 12", None], pyarrow.string_view()), ("a longer text than 12", "text")),
    "pyarrow binary": (pyarrow.array([b"\0\1", None]), (b"\0\1", "blob")),
    "pyarrow decimal": (pyarrow.array([decimal.Decimal("12.50"), None]), ("12.50", "text")),
    "pyarrow date": (pyarrow.array([MOMENT.date(), None]), ("2024-01-31", "text")),
    "pyarrow time": (pyarrow.array([datetime.time(18, 30), None]), ("18:30:00", "text")),
    "pyarrow map": (pyarrow.array([[("k", 1)], None], pyarrow.map_(pyarrow.string(), pyarrow.int64())), ('{"k":1}', "text")),
    "polars boolean": (polars.Series([True, None]), (1, "integer")),
    "polars categorical": (polars.Series(["x", None], dtype=polars.Categorical), ("x", "text")),
    "polars enum": (polars.Series(["x", None], dtype=polars.Enum(["x", "y"])), ("x", "text")),
    "polars datetime": (polars.Series([MOMENT, None]), ("2024-01-31 18:30:00.500", "text")),
    "polars time zone": (polars.Series([MOMENT.replace(tzinfo=UTC), None]), ("2024-01-31 18:30:00.500+00:00", "text")),
    "polars decimal": (polars.Series([decimal.Decimal("12.50"), None]), ("12.50", "text")),
    "polars list": (polars.Series([[1, None], None]), ("[1,null]", "text")),
    "polars struct": (polars.Series([{"x": 1, "y": "é"}, None]), ('{"x":1,"y":"é"}', "text")),
    "polars array": (polars.Series([[1, 2], None], dtype=polars.Array(polars.Int64, 2)), ("[1,2]", "text")),
    "polars nan": (polars.Series([float("nan"), None]), NULL),
    "pandas Int64": (pandas.array([1, None], dtype="Int64"), (1, "integer")),
    "pandas float": (pandas.array([1.5, None], dtype="float64"), (1.5, "real")),
    "pandas string": (pandas.array(["x", None], dtype="string"), ("x", "text")),
    "pandas categorical": (pandas.Categorical(["x", None]), ("x", "text")),
    "pandas datetime": (pandas.to_datetime([MOMENT, None]), ("2024-01-31 18:30:00.500", "text")),
    "pandas timedelta": (pandas.to_timedelta([1, None], unit="s"), None),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_have_the_documented_form(dir, name):
    column, expected = VALUES[name]
    library, _, _ = name.partition(" ")
    table = {"pyarrow": pyarrow.table, "polars": polars.DataFrame, "pandas": pandas.DataFrame}[library]({"a": column})
    sqload.write(table, "out.db", "t")
    (first,), (second,) = dir.table("out.db", "t")
    assert second == NULL
    # The unit of a timedelta depends on the version of pandas.
    assert first == expected if expected else first[1] == "integer"


def test_values_of_duckdb(dir):
    sql = "SELECT 1.50::DECIMAL(9, 2) AS d, TRUE AS b, [1, 2] AS l, {'x': 1} AS s, DATE '2024-01-31' AS day, 'x'::ENUM('x') AS e"
    sqload.write(duckdb.sql(sql), "out.db", "t")
    assert [value for value, _ in dir.table("out.db", "t")[0]] == ["1.50", 1, "[1,2]", '{"x":1}', "2024-01-31", "x"]


def test_other_types_may_be_declared(dir):
    frame = polars.DataFrame({
        "u": polars.Series([2**64 - 1], dtype=polars.UInt64), "d": [decimal.Decimal("12.50")], "day": [datetime.date(1970, 1, 2)],
    })
    with pytest.raises(sqload.Error, match=r'record 1: the value "18446744073709551615" of column "u"') as raised:
        sqload.write(frame, "out.db", "t")
    assert raised.value.position[1:] == (1, None, None)
    assert 'type={"u": "TEXT"}' in str(raised.value)
    sqload.write(frame, "out.db", "t", type={"u": "TEXT", "d": "REAL", "day": "INTEGER"})
    assert dir.table("out.db", "t") == [[("18446744073709551615", "text"), (12.5, "real"), (1, "integer")]]
