"""Writes rows that are in memory to a SQLite database. Prints the seconds for that, and the peak memory before and after in bytes.

Arguments: PEER INPUT.parquet DATABASE. The time to read the input and to import modules does not count.
"""

import pathlib
import resource
import sys
import time

peer, source, database = sys.argv[1:]


def sqload():
    import polars, sqload

    frame = polars.read_parquet(source)
    return lambda: sqload.write(frame, database, "t")


def sqload_pyarrow():
    import pyarrow.parquet, sqload

    table = pyarrow.parquet.read_table(source)
    return lambda: sqload.write(table, database, "t")


def sqload_iterator():
    """The input is read while it is written, so its time counts."""
    import pyarrow.parquet, sqload

    file = pyarrow.parquet.ParquetFile(source)
    return lambda: sqload.write(file.iter_batches(), database, "t")


def sqload_csv():
    """The same rows from a CSV file."""
    import sqload

    return lambda: sqload.load(pathlib.Path(source).with_suffix(".csv"), database, "t")


def polars_adbc():
    import adbc_driver_sqlite.dbapi, polars

    frame = polars.read_parquet(source)
    return lambda: frame.write_database("t", f"sqlite:///{database}", engine="adbc")


def pandas_sql():
    import sqlite3

    import pandas

    frame = pandas.read_parquet(source)
    connection = sqlite3.connect(database)

    def write():
        frame.to_sql("t", connection, index=False)
        connection.commit()
        connection.close()

    return write


def duckdb():
    import duckdb, duckdb_extension_sqlite_scanner, pyarrow.parquet

    folder = pathlib.Path(duckdb_extension_sqlite_scanner.__file__).parent
    connection = duckdb.connect()
    connection.execute(f"LOAD '{next(folder.rglob('*.duckdb_extension'))}'")
    connection.register("source", pyarrow.parquet.read_table(source))

    def write():
        connection.execute(f"ATTACH '{database}' AS target (TYPE sqlite)")
        connection.execute("CREATE TABLE target.t AS SELECT * FROM source")

    return write


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


write = {function.__name__: function for function in [
    sqload, sqload_pyarrow, sqload_iterator, sqload_csv, polars_adbc, pandas_sql, duckdb,
]}[peer]()
before = peak_bytes()
start = time.perf_counter()
write()
print(time.perf_counter() - start, before, peak_bytes())
