"""The code in the documentation runs."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[3]
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections(path):
    """The sections of a page, apart from those without code."""
    parts = re.split(r"^## ", (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [(path, part.splitlines()[0], part) for part in parts if "```python\n" in part]


# `test_spark.py` runs the code that needs Spark.
PAGES = [section for page in ["docs/python.md", "docs/shards.md", "crates/sqload-python/README.md"] for section in sections(page)]
PAGES = [section for section in PAGES if section[1] != "Spark"]


@pytest.mark.parametrize("path, title, text", PAGES)
def test_code_blocks_run(dir, path, title, text):
    dir.write("orders.csv", "id,item\n1,pen\n2,ink\n")
    for language, file, code in BLOCK.findall(text):
        if file:
            dir.write(file, code)
        elif language == "python":
            exec(compile(code, f"{path}: {title}", "exec"), {})
