"""Loads CSV files into a SQLite database with polars and ADBC. Arguments: PATTERN DATABASE TABLE SYNCHRONOUS [INDEXED_COLUMN]."""

import sys

import adbc_driver_sqlite.dbapi
import polars

pattern, database, table, synchronous, *index = sys.argv[1:]
frame = polars.read_csv(pattern, infer_schema_length=None)
with adbc_driver_sqlite.dbapi.connect(database, autocommit=True) as connection, connection.cursor() as cursor:
    cursor.execute(f"PRAGMA synchronous = {synchronous}")
    cursor.execute("BEGIN")
    cursor.adbc_ingest(table, frame.to_arrow(), mode="create")
    for column in index:
        cursor.execute(f"CREATE INDEX {table}_{column} ON {table}({column})")
    cursor.execute("COMMIT")
