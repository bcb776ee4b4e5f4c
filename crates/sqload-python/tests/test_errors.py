"""Errors, and the report object."""

import copy
import pickle

import pytest
import sqload


def test_errors_have_kind_position_and_reason(dir):
    dir.write("in.csv", "a,b\n1,2\n3\n")
    with pytest.raises(sqload.Error) as raised:
        sqload.load("in.csv", "out.db")
    error = raised.value
    assert error.kind == "rejected"
    assert error.position == sqload.Position("in.csv", 2, 3, 8)
    assert error.reason == ("field_count", "1 field, 2 expected, separated by ','", None)
    assert str(error) == error.message
    assert str(error).startswith("in.csv: line 3 (record 2, byte 8): 1 field, 2 expected")
    assert "or use on_error=\"skip\" to load the other records" in str(error)
    assert not (dir.path / "out.db").exists()


def test_errors_without_a_position(dir):
    with pytest.raises(sqload.Error) as raised:
        sqload.load("missing.csv", "out.db")
    error = raised.value
    assert (error.kind, error.position, error.reason, error.warnings) == ("io", None, None, [])
    assert str(error).startswith("cannot read missing.csv\n  because: No such file or directory")


def test_reasons_name_the_column(dir):
    dir.write("in.csv", "a,b\n1,x\n")
    with pytest.raises(sqload.Error) as raised:
        sqload.load("in.csv", "out.db", type={"b": "INTEGER"})
    assert (raised.value.reason.kind, raised.value.reason.column) == ("not_of_type", "b")
    assert "type={\"b\": \"TEXT\"}" in str(raised.value)


def test_errors_carry_warnings(dir):
    dir.write("in.csv", "a , b\n1,2\n")
    with pytest.raises(sqload.Error) as raised:
        sqload.load("in.csv", "out.db", pk="b")
    assert any("use trim=True" in warning for warning in raised.value.warnings)


@pytest.mark.parametrize(
    "inputs, advice",
    [("https://example.com/a.csv", "download it"), ([], "no input was given")],
)
def test_advice_suits_python(dir, inputs, advice):
    with pytest.raises(sqload.Error, match=advice) as raised:
        sqload.load(inputs, "out.db")
    assert "DATABASE" not in str(raised.value)


def test_a_file_that_is_no_database_is_an_error(dir):
    dir.write("in.csv", "a\n1\n")
    dir.write("x.db", "not a database, but long enough to be taken for one" * 50)
    with pytest.raises(sqload.Error, match="the inputs come first, and the database second") as raised:
        sqload.load("in.csv", "x.db")
    assert raised.value.kind == "not_a_database"


def test_errors_can_be_pickled_and_copied(dir):
    dir.write("in.csv", "a,b\n1\n")
    with pytest.raises(sqload.Error) as raised:
        sqload.load("in.csv", "out.db")
    for error in [pickle.loads(pickle.dumps(raised.value)), copy.copy(raised.value)]:
        assert (str(error), error.kind, error.position, error.reason) == (
            str(raised.value), raised.value.kind, raised.value.position, raised.value.reason,
        )


def test_warnings_and_notes_are_on_the_report(dir, capfd):
    dir.write("in.csv", "a , b\n1,x\n,y\n3\n")
    report = sqload.load("in.csv", "out.db", on_error="skip")
    assert any("blanks" in warning for warning in report.warnings)
    assert report.notes
    assert "use trim=True" in str(report) and "use rejects=FILE" in str(report)
    assert "--" not in str(report)
    assert capfd.readouterr() == ("", "")


def test_reports_show_themselves(dir):
    dir.write("<b>.csv", "a\n1\n")
    report = sqload.load("<b>.csv", "out.db", "<t>")
    assert repr(report).startswith("<sqload.Report status='loaded' database='out.db' table='<t>' records=1 loaded=1")
    html = report._repr_html_()
    assert "table &lt;t&gt;</th><td>a INTEGER" in html and "<b>" not in html
    values = report.to_dict()
    values["columns"].clear()
    assert report.columns and report.to_dict()["columns"]
    assert pickle.loads(pickle.dumps(report)).to_dict() == report.to_dict()
    assert "loaded" in vars(report)


@pytest.mark.parametrize("keywords", [{"dry_run": True}, {"explain": True}, {"table_per_input": True}])
def test_other_reports_show_themselves(dir, keywords):
    dir.write("a.csv", "a\n1\n")
    dir.write("b.csv", "a\n1\n")
    report = sqload.load(["a.csv", "b.csv"], "out.db", **keywords)
    assert report.status in repr(report) and report.status in report._repr_html_()
