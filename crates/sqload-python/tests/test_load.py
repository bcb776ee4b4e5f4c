"""`load` and `run_pipeline`: keywords do what options do."""

import json
import pathlib

import polars
import pytest
import sqload

PEOPLE = "id,name,age\n1,Ada,36\n2,Grace,85\n"


def test_a_file_becomes_a_table(dir):
    dir.write("people.csv", PEOPLE)
    report = sqload.load("people.csv", "people.db")
    assert dir.rows("people.db", "SELECT * FROM people") == [(1, "Ada", 36), (2, "Grace", 85)]
    assert (report.status, report.table, report.loaded, report.rejected) == ("loaded", "people", 2, 0)
    assert report.columns[0] == {"name": "id", "declaration": "INTEGER"}


def test_paths_may_be_path_objects_and_lists(dir):
    for name in ["a.csv", "b.csv"]:
        dir.write(name, PEOPLE)
    report = sqload.load([pathlib.Path("a.csv"), "b.csv"], pathlib.Path("x.db"), "t")
    assert (report.inputs, report.loaded) == (["a.csv", "b.csv"], 4)
    assert sqload.load(("*.csv",), "y.db", "t").loaded == 4
    with pytest.raises(TypeError, match="inputs must be a path or a list of paths, not int"):
        sqload.load(1, "x.db")
    with pytest.raises(TypeError, match="database must be a path, not NoneType"):
        sqload.load("a.csv", None)


def test_paths_that_look_like_options_are_paths(dir):
    dir.write("--trim", PEOPLE)
    sqload.load("--trim", "-x.db", "-t")
    assert dir.rows("-x.db", 'SELECT count(*) FROM "-t"') == [(2,)]


# Keywords, the text of the input, and the rows of the table.
CASES = [
    ({"delimiter": "|"}, "a|b\n1|2\n", [(1, 2)]),
    ({"delimiter": "\t"}, "a\tb\n1\t2\n", [(1, 2)]),
    ({"delimiter": "blanks"}, "a  b\n1 2\n", [(1, 2)]),
    ({"tsv": True}, "a\tb\n1\t2\n", [(1, 2)]),
    ({"format": "tsv"}, "a\tb\n1,5\t2\n", [("1,5", 2)]),
    ({"quote": "'"}, "a,b\n'x,y',z\n", [("x,y", "z")]),
    ({"quote": "none"}, 'a,b\n"x,y"\n', [('"x', 'y"')]),
    ({"escape": "\\"}, 'a,b\n"x\\"y",z\n', [('x"y', "z")]),
    ({"comment": "#"}, "a,b\n#x\n1,2\n", [(1, 2)]),
    ({"trim": True}, "a , b\n 1 , x \n", [(1, "x")]),
    ({"empty_null": True}, "a,b\nx,\n", [("x", None)]),
    ({"null": "NA"}, "a,b\nNA,x\n1,NA\n", [(None, "x"), (1, None)]),
    ({"null": ["NA", "a=b"]}, "a,b\nNA,a=b\nx,y\n", [(None, None), ("x", "y")]),
    ({"null": {"a": "-", "b=c": ["x", "y=z"]}}, "a,b=c\n-,-\nx,x\nw,y=z\n", [(None, "-"), ("x", None), ("w", None)]),
    ({"decimal": ",", "delimiter": ";"}, "a;b\n1,5;x\n", [(1.5, "x")]),
    ({"thousands": "'"}, "a,b\n1'000,x\n", [(1000, "x")]),
    ({"names": ["x", "y,z"]}, "1,2\n", [(1, 2)]),
    ({"type": {"a": "TEXT", "b,c=d": "REAL"}}, 'a,"b,c=d"\n1,2\n', [("1", 2.0)]),
    ({"all_text": True}, "a,b\n1,2\n", [("1", "2")]),
    ({"skip_lines": 1}, "x\na,b\n1,2\n", [(1, 2)]),
    ({"skip_rows": 1}, "a,b\nm,kg\n1,2\n", [(1, 2)]),
    ({"skip_footer": 1}, "a,b\n1,2\nsum,x\n", [(1, 2)]),
    ({"skip_empty": True}, "a,b\n,\n1,2\n", [(1, 2)]),
    ({"limit": 1}, "a,b\n1,2\n3,4\n", [(1, 2)]),
    ({"limit": 0}, "a,b\n1,2\n", []),
    ({"no_headers": True}, "1,2\n", [(1, 2)]),
    ({"header_rows": 2}, "a,b\nx,y\n1,2\n", [(1, 2)]),
    ({"ragged": "pad"}, "a,b\n1\n", [(1, None)]),
    ({"ragged": "fit"}, "a,b\n1,2,3\n", [(1, 2)]),
    ({"invalid_utf8": "replace"}, "a,b\n1,2\n", [(1, 2)]),
    ({"on_error": "skip"}, "a,b\n1\n1,2\n", [(1, 2)]),
    ({"max_errors": 1}, "a,b\n1\n1,2\n", [(1, 2)]),
    ({"columns": ["b", "a,c"]}, 'a,"a,c",b\n1,2,3\n', [(3, 2)]),
    ({"columns": "b"}, "a,b\n1,2\n", [(2,)]),
    ({"exclude": ["a"]}, "a,b\n1,2\n", [(2,)]),
    ({"select": "a + 1 AS c"}, "a,b\n1,2\n", [(2,)]),
    ({"where": "-a < -1"}, "a,b\n1,2\n3,4\n", [(3, 4)]),
    ({"rename": {"a": "x", "b=c": "y=z"}, "where": "a = 1"}, "a,b=c\n1,2\n", [(1, 2)]),
    ({"file_column": "f"}, "a,b\n1,2\n", [(1, 2, "in.csv")]),
    ({"auto_id": True}, "a,b\n1,2\n", [(1, 1, 2)]),
    ({"encoding": "utf-8", "force": True, "max_record_size": "1M"}, "a,b\n1,2\n", [(1, 2)]),
    ({"jobs": 1, "writer": "statements", "batch_rows": 1, "memory": 1}, "a,b\n1,2\n", [(1, 2)]),
    ({"writer": "direct", "page_size": 512, "cache_size": "1M", "busy_timeout": 0.5}, "a,b\n1,2\n", [(1, 2)]),
    ({"synchronous": "full", "verify": True, "analyze": True, "vacuum": True}, "a,b\n1,2\n", [(1, 2)]),
]


@pytest.mark.parametrize("keywords, text, expected", CASES, ids=[" ".join(case[0]) for case in CASES])
def test_keywords_set_options(dir, keywords, text, expected):
    dir.write("in.csv", text)
    sqload.load("in.csv", "out.db", "t", **keywords)
    rows = dir.rows("out.db", "SELECT * FROM t")
    assert [[(value, type(value)) for value in row] for row in rows] == [
        [(value, type(value)) for value in row] for row in expected
    ]


def test_tables_have_the_requested_keys_and_indexes(dir):
    dir.write("in.csv", 'a,b,"c,d",e\n1,2,3,4\n')
    sqload.load(
        "in.csv", "out.db", "t",
        pk=["a", "b"], not_null="e", unique=["c,d", ["b", "e"]], index=["e", ("c,d", "a")], strict=True, without_rowid=True,
    )
    schema = dir.schema("out.db")
    for part in ['PRIMARY KEY ("a", "b")', "NOT NULL", 'UNIQUE ("c,d")', 'UNIQUE ("b", "e")', "STRICT", "WITHOUT ROWID"]:
        assert part in schema.replace("(a, b)", '("a", "b")').replace("(b, e)", '("b", "e")'), schema
    indexes = dir.rows("out.db", "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY rowid")
    columns = [[row[2] for row in dir.rows("out.db", f'PRAGMA index_info("{name}")')] for (name,) in indexes]
    assert columns == [["e"], ["c,d", "a"]]


def test_existing_tables_are_kept_unless_a_keyword_says_otherwise(dir):
    dir.write("t.csv", "id,b\n1,2\n")
    dir.write("more.csv", "id,b,c\n1,5,6\n2,3,4\n")
    sqload.load("t.csv", "t.db", pk="id")
    with pytest.raises(sqload.Error) as error:
        sqload.load("t.csv", "t.db")
    assert error.value.kind == "table_exists"
    assert "use append=True or truncate=True to fill it, replace=True to replace it" in str(error.value)
    report = sqload.load("more.csv", "t.db", "t", append=True, add_columns=True, upsert=True)
    assert (report.inserted, report.updated) == (1, 1)
    assert dir.rows("t.db", "SELECT * FROM t") == [(1, 5, 6), (2, 3, 4)]
    assert sqload.load("t.csv", "t.db", append=True, ignore=True).ignored == 1
    sqload.load("t.csv", "t.db", truncate=True)
    assert dir.rows("t.db", "SELECT * FROM t") == [(1, 2, None)]
    sqload.load("more.csv", "t.db", "t", replace=True)
    assert dir.rows("t.db", "SELECT * FROM t") == [(1, 5, 6), (2, 3, 4)]


def test_inputs_may_differ(dir):
    dir.write("a.csv", "x,y\n1,2\n")
    dir.write("b.csv", "y,z\n3,4\n")
    sqload.load(["a.csv", "b.csv"], "u.db", "t", union_by_name=True)
    assert dir.rows("u.db", "SELECT * FROM t") == [(1, 2, None), (None, 3, 4)]
    report = sqload.load(["a.csv", "b.csv"], "u.db", table_per_input=True)
    assert [table["table"] for table in report.tables] == ["a", "b"]
    assert dir.rows("u.db", "SELECT * FROM b") == [(3, 4)]


def test_an_id_column_may_have_the_name_of_a_file(dir):
    dir.write("id", "")
    dir.write("in.csv", "a\n1\n")
    sqload.load("in.csv", "out.db", auto_id="id")
    assert dir.rows("out.db", 'SELECT id, a FROM "in"') == [(1, 1)]


def test_previews_and_explanations_change_nothing(dir):
    dir.write("in.csv", "a\n1\n")
    report = sqload.load("in.csv", "out.db", select="a + 1 AS b", dry_run=True)
    assert (report.status, report.records) == ("checked", 1)
    assert "nothing was changed" in str(report)
    report = sqload.load("in.csv", "out.db", select="a + 1 AS b", explain=True)
    assert report.status == "explained" and "compiled" in str(report)
    dir.write("bad.csv", "a,b\n1\n")
    report = sqload.load("bad.csv", "out.db", dry_run=True)
    assert (report.status, report.exit_code, report.error["kind"]) == ("failed", 1, "rejected")
    assert "on_error=\"skip\"" in str(report)
    assert not (dir.path / "out.db").exists()


def test_reports_are_written_to_files(dir):
    dir.write("in.csv", "a,b\n1,2\n3\n")
    report = sqload.load("in.csv", "out.db", on_error="skip", rejects="bad.csv", report="report.json")
    written = json.loads((dir.path / "report.json").read_text())
    assert written == report.to_dict()
    assert (dir.path / "bad.csv").read_text() == "a,b\n3\n"
    with pytest.raises(sqload.Error):
        sqload.load("in.csv", "out.db", report="report.html")
    page = (dir.path / "report.html").read_text()
    assert "append=True" in page and "--append" not in page
    # Also if the load fails before it begins.
    with pytest.raises(sqload.Error):
        sqload.load("in.csv", "out.db", select="a +", report="report.json")
    assert json.loads((dir.path / "report.json").read_text())["status"] == "failed"


def test_pipelines_compute_columns(dir):
    dir.write("cities.sql", "CREATE TABLE cities (name TEXT, people INTEGER);"
                            "INSERT INTO cities SELECT upper(city), people FROM input WHERE people > 1;")
    dir.write("cities.csv", "city,people\nParis,2\nLost,1\n")
    report = sqload.run_pipeline("cities.sql")
    assert (report.database, report.loaded, report.filtered) == ("cities.db", 1, 1)
    assert dir.table("cities.db", "cities") == [[("PARIS", "text"), (2, "integer")]]
    report = sqload.run_pipeline(pathlib.Path("cities.sql"), ["cities.csv", "cities.csv"], "other.db", jobs=1)
    assert dir.rows("other.db", "SELECT count(*) FROM cities") == [(2,)]
    sqload.run_pipeline("cities.sql", "cities.csv", "other.db", replace=True)
    sqload.run_pipeline("cities.sql", "cities.csv", "other.db", append=True)
    assert dir.rows("other.db", "SELECT count(*) FROM cities") == [(2,)]
    with pytest.raises(sqload.Error, match="name CSV files with inputs, or use load"):
        sqload.run_pipeline("cities.csv")
    assert sqload.run_pipeline("cities.sql", database="new.db", dry_run=True).status == "checked"


def test_parquet_and_arrow_files_are_loaded(dir):
    frame = polars.DataFrame({"a": [1, 2], "b": ["x", None]})
    frame.write_parquet("in.parquet")
    frame.write_ipc("in.arrow")
    for name in ["in.parquet", "in.arrow"]:
        report = sqload.load(name, "out.db", "t", replace=True)
        assert (report.loaded, report.columns[1]["declaration"]) == (2, "TEXT")
        assert dir.table("out.db", "t") == [[(1, "integer"), ("x", "text")], [(2, "integer"), (None, "null")]]


def test_a_load_builds_shards(dir):
    dir.write("sales.csv", 'tenant,"a,b"\nparis,1\noslo,2\nparis,3\n')
    report = sqload.load("sales.csv", shards_by="tenant", into=pathlib.Path("shops"), index="a,b")
    assert (report.database, report.table, report.loaded) == ("shops", "sales", 3)
    assert dir.rows("shops/tenant=paris/data.sqlite", "SELECT * FROM sales") == [("paris", 1), ("paris", 3)]
    manifest = json.loads((dir.path / "shops/manifest.json").read_text())
    assert [shard["rows"] for shard in manifest["shards"]] == [1, 2]
    with pytest.raises(sqload.Error, match="already contains shards; use replace=True to replace them, or into to"):
        sqload.load("sales.csv", shards_by="tenant", into="shops")
    sqload.load(["sales.csv"], None, "t", shards_by=["tenant", "a,b"], into="shops", replace=True)
    assert dir.rows("shops/tenant=oslo/a,b=2/data.sqlite", "SELECT * FROM t") == [("oslo", 2)]
    sqload.load("sales.csv", shards_by="tenant", into="buckets", shards=1)
    assert dir.rows("buckets/bucket=00000/data.sqlite", "SELECT count(*) FROM sales") == [(3,)]
