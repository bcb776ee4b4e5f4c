"""The keywords are the options of the command line."""

import inspect
import re
import subprocess
import sys

import pytest
import sqload

# Options about the terminal. A pipeline that is named has no `id`.
NOT_KEYWORDS = {"help", "quiet", "verbose", "color", "progress", "id"}
# Options whose keyword has another name, since it may be a list.
RENAMED = {"input": "inputs"}


def options(command):
    """The options of a command with their defaults, as its help shows them."""
    help = subprocess.run([sys.executable, "-m", "sqload", command, "--help"], capture_output=True, text=True, check=True)
    found, name = {}, None
    for line in help.stdout.splitlines():
        if option := re.match(r" +(?:-\w, )?--([a-z0-9-]+)", line):
            name = option[1].replace("-", "_")
            found[name] = None
        elif (default := re.match(r" +\[default: (\S+)\]$", line)) and name:
            found[name] = default[1]
    return {RENAMED.get(name, name): default for name, default in found.items() if name not in NOT_KEYWORDS}


@pytest.mark.parametrize(
    "function, command, positional",
    [(sqload.load, "load", {"inputs", "database"}), (sqload.run_pipeline, "run-pipeline", {"pipeline"})],
)
def test_every_option_is_a_keyword_with_its_default(function, command, positional):
    parameters = inspect.signature(function).parameters
    expected = options(command)
    assert len(expected) > 30
    assert set(parameters) - positional == set(expected)
    defaults = {name: parameters[name].default for name in expected}
    shown = {name: str(default) for name, default in defaults.items() if default is not None and default is not False}
    assert shown == {name: expected[name] for name in shown}


@pytest.mark.parametrize("function", [sqload.load, sqload.run_pipeline, sqload.write])
def test_every_keyword_is_documented(function):
    documented = re.findall(r"^ {8}(\w+): ", inspect.getdoc(function) and function.__doc__, re.MULTILINE)
    keywords = [name for name, parameter in inspect.signature(function).parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    assert sorted(documented) == sorted(keywords)


def test_the_keywords_of_write_are_those_of_load():
    load, write = (inspect.signature(function).parameters for function in [sqload.load, sqload.write])
    own = {"data", "if_exists", "primary_key", "database", "table"}
    for name in set(write) - own:
        assert (write[name].default, write[name].annotation) == (load[name].default, load[name].annotation), name


@pytest.mark.parametrize(
    "keywords, error, message",
    [
        ({"colour": 1}, TypeError, "unexpected keyword argument 'colour'"),
        ({"limit": [1]}, TypeError, "limit cannot be a value of type list"),
        ({"type": "a=INT"}, TypeError, "type must be a dict, not str"),
        ({"pk": 1}, TypeError, "pk must be a string or a list of strings, not int"),
        ({"index": [1]}, TypeError, "index must be a string or a list of strings, not int"),
        ({"null": [1]}, TypeError, "null must contain strings, not int"),
        ({"shards_by": [1], "into": "x"}, TypeError, "shards_by must contain strings, not int"),
        ({"shards_by": "a", "into": "x"}, ValueError, "^leave out database: into names the directory of the shards$"),
        ({"shards_by": "a"}, sqload.Error, "^the following required arguments were not provided: into"),
        ({"columns": []}, ValueError, "columns is empty"),
        ({"limit": "x"}, sqload.Error, "^invalid value 'x' for 'limit': invalid digit found in string$"),
        ({"limit": True}, sqload.Error, "^a value is required for 'limit' but none was supplied$"),
        ({"trim": "yes"}, sqload.Error, "^unexpected value 'yes' for 'trim' found; no more were expected$"),
        ({"ragged": "cut"}, sqload.Error, r"^invalid value 'cut' for 'ragged' \[possible values: reject, pad, fit\]$"),
        ({"replace": True, "append": True}, sqload.Error, "^the argument 'replace' cannot be used with 'append'$"),
        ({"type": {"a": "INT", "A": "REAL"}}, sqload.Error, "^type gives the column"),
        ({"select": "a +"}, sqload.Error, "^select: line 1, column 4: "),
        ({"pk": "x"}, sqload.Error, "; correct pk$"),
    ],
)
def test_wrong_keywords_are_named(dir, keywords, error, message):
    dir.write("in.csv", "a\n1\n")
    with pytest.raises(error, match=message) as raised:
        sqload.load("in.csv", "out.db", **keywords)
    assert "--" not in str(raised.value)
    assert not (dir.path / "out.db").exists()
