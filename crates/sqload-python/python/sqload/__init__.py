"""Loads CSV files and DataFrames into SQLite: fast, all or nothing, without changing a value.

>>> sqload.load("orders.csv", "shop.db")
>>> sqload.write(frame, "shop.db", "orders")
"""

from ._load import load, run_pipeline
from ._report import Error, Position, Reason, Report
from ._sqload import __version__
from ._write import write

__all__ = ["Error", "Position", "Reason", "Report", "__version__", "load", "run_pipeline", "write"]
