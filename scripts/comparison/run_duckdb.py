"""Loads CSV files into a SQLite database with DuckDB. Arguments: PATTERN DATABASE TABLE [INDEXED_COLUMN]."""

import pathlib
import sys

import duckdb
import duckdb_extension_sqlite_scanner

pattern, database, table, *index = sys.argv[1:]
folder = pathlib.Path(duckdb_extension_sqlite_scanner.__file__).parent
connection = duckdb.connect()
connection.execute(f"LOAD '{next(folder.rglob('*.duckdb_extension'))}'")
connection.execute(f"ATTACH '{database}' AS target (TYPE sqlite)")
connection.execute(f"CREATE TABLE target.{table} AS SELECT * FROM read_csv('{pattern}', header = true)")
for column in index:
    connection.execute(f"CREATE INDEX {table}_{column} ON target.main.{table}({column})")
