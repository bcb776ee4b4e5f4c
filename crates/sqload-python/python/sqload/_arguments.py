"""Keywords as arguments of the command line, which checks them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

# Keywords with names of columns.
_COLUMNS = {"columns", "exclude", "names", "not_null", "pk", "shards_by"}
# Keywords with groups of columns.
_GROUPS = {"index", "unique"}
_MAPPINGS = {"rename", "type"}


def arguments(keywords: Mapping[str, Any]) -> list[str]:
    """The options for these keywords. None and False stand for the default."""
    return [argument for name, value in keywords.items() for argument in _options(name, value)]


def paths(value: Any, name: str) -> list[str]:
    """One path or several, as text."""
    if isinstance(value, (str, os.PathLike)):
        return [_path(value)]
    if not isinstance(value, Iterable) or isinstance(value, (bytes, Mapping)):
        raise TypeError(f"{name} must be a path or a list of paths, not {_type(value)}")
    return [path(item, name) for item in value]


def path(value: Any, name: str) -> str:
    """A path as text."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path, not {_type(value)}")
    return _path(value)


def _path(value: Any) -> str:
    return os.fsdecode(os.fspath(value))


def _options(name: str, value: Any) -> list[str]:
    option = "--" + name.replace("_", "-")
    if value is None or value is False:
        return []
    if value is True:
        return [option]
    return [f"{option}={text}" for text in _texts(name, value)]


def _texts(name: str, value: Any) -> list[str]:
    if name == "columns" and not isinstance(value, str) and not names(name, value):
        raise ValueError("columns is empty: name at least one column, or leave it out to load all")
    if name in _COLUMNS:
        return [_quoted(column, ",") for column in names(name, value)]
    if name in _GROUPS:
        groups = [value] if isinstance(value, str) else _items(name, value)
        return [",".join(_quoted(column, ",") for column in names(name, group)) for group in groups]
    if name in _MAPPINGS:
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} must be a dict, not {_type(value)}")
        special = ",=" if name == "type" else "="
        return [f"{_quoted(_string(name, key), special)}={_string(name, text)}" for key, text in value.items()]
    if name == "null":
        # A text without a column begins with an equals sign, so that it may contain another.
        columns = value if isinstance(value, Mapping) else {"": value}
        pairs = [(_string(name, column), text) for column, texts in columns.items() for text in names(name, texts)]
        return [f"{_quoted(column, '=')}={text}" for column, text in pairs]
    if isinstance(value, (str, os.PathLike)):
        return [_path(value)]
    if isinstance(value, Real):
        return [str(value)]
    raise TypeError(f"{name} cannot be a value of type {_type(value)}")


def names(name: str, value: Any) -> list[str]:
    """One string or several."""
    return [value] if isinstance(value, str) else [_string(name, item) for item in _items(name, value)]


def _items(name: str, value: Any) -> list[Any]:
    if not isinstance(value, Iterable) or isinstance(value, (bytes, Mapping)):
        raise TypeError(f"{name} must be a string or a list of strings, not {_type(value)}")
    return list(value)


def _string(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must contain strings, not {_type(value)}")
    return value


def _quoted(text: str, special: str) -> str:
    """A name for a list. Names with special characters are in double quotes."""
    if any(char in text for char in special):
        return '"' + text.replace('"', '""') + '"'
    return text


def _type(value: Any) -> str:
    return type(value).__name__
