"""The types of keywords."""

import os
from collections.abc import Sequence
from typing import Union

Path = Union[str, "os.PathLike[str]"]
# A number, or a text such as "64M".
Size = Union[int, str]
# A name, or several.
Names = Union[str, Sequence[str]]
# A name, or a list of names and groups of names.
Groups = Union[str, Sequence[Names]]
