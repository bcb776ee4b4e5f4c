"""Compares a database with the CSV files it was loaded from, value by value, in the order of rows.

Python's csv module reads the files, and keeps every field as text. A value that a peer stored is one of:

- text: the same text
- number: an INTEGER or REAL that SQLite prints as the same text
- reformatted: a number that is equal to the text, but printed differently, such as 1.5 for 1.50 or 7 for 007
- null: NULL for an empty field
- different: anything else
"""

import sqlite3

KINDS = ["text", "number", "reformatted", "null", "different"]


def quote(name):
    return '"' + name.replace('"', '""') + '"'


def write_expected(input, directory, path):
    """A database that holds the fields as they are. For the pipeline, the values that it computes."""
    path.unlink(missing_ok=True)
    records = input.records(directory)
    header = next(records)
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE expected ({', '.join(map(quote, header))})")
        connection.executemany(f"INSERT INTO expected VALUES ({', '.join('?' * len(header))})", records)
        if input.kind == "pipeline":
            email = "first_name || '.' || last_name || '_' || age || '@somemail.com'"
            columns = f"first_name, upper(last_name) AS last_name, age, {email} AS email"
            connection.execute("ALTER TABLE expected RENAME TO fields")
            connection.execute(f"CREATE TABLE expected AS SELECT {columns} FROM fields")
            connection.execute("DROP TABLE fields")
        connection.execute("COMMIT")
    connection.close()


def kind_of(actual, expected):
    """An expression for the kind of a value. The operator + removes affinity, which would convert one side."""
    return f"""CASE
        WHEN typeof({actual}) = 'text' AND +{actual} = +{expected} THEN 'text'
        WHEN typeof({actual}) IN ('integer', 'real') AND CAST({actual} AS TEXT) = +{expected} THEN 'number'
        WHEN typeof({actual}) IN ('integer', 'real') AND CAST({expected} AS NUMERIC) = +{actual} THEN 'reformatted'
        WHEN {actual} IS NULL AND +{expected} = '' THEN 'null'
        ELSE 'different' END"""


def check(database, table, expected_path, input):
    """Counts the kinds of values in each column."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        connection.execute("ATTACH ? AS e", [f"file:{expected_path}?mode=ro"])
        (expected_rows,) = connection.execute("SELECT count(*) FROM e.expected").fetchone()
        (rows,) = connection.execute(f"SELECT count(*) FROM main.{quote(table)}").fetchone()
        result = {"rows": rows, "expected_rows": expected_rows, "columns": {}, "examples": {}}
        columns = [row[1] for row in connection.execute("SELECT * FROM pragma_table_info('expected', 'e')")]
        joined = f"FROM e.expected AS x JOIN main.{quote(table)} AS a ON a.rowid = x.rowid"
        same = ", ".join(f"total(+a.{quote(column)} = +x.{quote(column)})" for column in columns)
        compared, *texts = connection.execute(f"SELECT count(*), {same} {joined}").fetchone()
        for column, count in zip(columns, texts):
            if count == compared:
                result["columns"][column] = {"text": compared}
                continue
            actual, expected = f"a.{quote(column)}", f"x.{quote(column)}"
            kinds = f"SELECT {kind_of(actual, expected)} AS kind, count(*), {expected}, {actual} {joined} GROUP BY kind"
            counts = connection.execute(kinds).fetchall()
            result["columns"][column] = {kind: count for kind, count, _, _ in counts}
            for kind, _, text, value in counts:
                if kind in ("reformatted", "different"):
                    result["examples"].setdefault(kind, {"column": column, "field": text[:80], "value": str(value)[:80]})
        result["same_rows"] = rows == expected_rows == compared and is_key(connection, table, input)
        summarize(result)
        return result
    finally:
        connection.close()


def is_key(connection, table, input):
    """Whether each row of the pipeline has an id of 16 bytes. The index on the primary key makes them unique."""
    if input.kind != "pipeline":
        return True
    bad = f"SELECT count(*) FROM main.{quote(table)} WHERE typeof(id) <> 'blob' OR length(id) <> 16"
    return connection.execute(bad).fetchone() == (0,)


def summarize(result):
    """Adds up the columns, and says whether no value is different."""
    totals = dict.fromkeys(KINDS, 0)
    for counts in result["columns"].values():
        for kind, count in counts.items():
            totals[kind] += count
    result["values"] = totals
    result["same_values"] = totals["different"] == 0
    result["unaltered"] = result["same_values"] and totals["reformatted"] == totals["null"] == 0
