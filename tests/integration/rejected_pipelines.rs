//! Invalid SQL pipelines are rejected with the position and the reason.

use crate::common::{TWO_PEOPLE, TestDir};

/// Invalid pipelines and their messages, without the file name.
const REJECTED_PIPELINES: [(&str, &str); 82] = [
    ("", "line 1, column 1: CREATE TABLE is missing"),
    ("-- nothing\n;", "line 2, column 1: CREATE TABLE is missing"),
    ("CREATE TABLE t (a);\n", "line 1, column 20: INSERT INTO ... SELECT ... FROM input is missing"),
    ("INSERT INTO t SELECT 1 FROM input", "line 1, column 1: a pipeline begins with CREATE TABLE"),
    ("CREATE TABLE t (a);\n CREATE TABLE u (a)", "line 2, column 2: a pipeline has only one CREATE TABLE"),
    ("CREATE TABLE t (a); CREATE INDEX i ON t (a)", "line 1, column 21: this statement must follow INSERT"),
    ("T; INSERT INTO t SELECT 2 FROM input", "column 56: a pipeline has only one INSERT"),
    ("CREATE TEMP TABLE t (a)", "line 1, column 1: CREATE TEMP TABLE is not supported in a pipeline: "),
    ("CREATE TEMPORARY TABLE t (a)", "CREATE TEMPORARY TABLE is not supported in a pipeline: "),
    ("CREATE TABLE t AS SELECT 1", "CREATE TABLE ... AS is not supported in a pipeline: declare the columns"),
    (
        "CREATE TABLE IF NOT EXISTS main.t AS SELECT 1",
        "CREATE TABLE ... AS is not supported in a pipeline: declare",
    ),
    (
        "CREATE TABLE temp.t (a)",
        "line 1, column 1: this statement creates nothing that stays in the database",
    ),
    ("CREATE TABLE input (a)", "line 1, column 1: CREATE TABLE is missing"),
    (
        "CREATE TABLE input (a); INSERT INTO input SELECT 1 FROM input",
        "column 25: CREATE TABLE is missing: the one of input only declares the types of its columns",
    ),
    ("CREATE TABLE sqlite_x (a)", "object name reserved for internal use: sqlite_x"),
    ("CREATE TABLE t (a,\n  b TEXT CHEK)", "line 2, column"),
    ("CREATE TABLE t (a, A)", "duplicate column name: A"),
    (
        "CREATE VIRTUAL TABLE t USING fts5(a)",
        "CREATE VIRTUAL TABLE is not supported in a pipeline: its statements are DROP TABLE IF EXISTS, ",
    ),
    (
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE TRIGGER is not supported in a pipeline: ",
    ),
    ("UPDATE t SET a = 1", "UPDATE is not supported in a pipeline: "),
    ("DELETE FROM t", "DELETE is not supported in a pipeline: "),
    ("DROP TABLE t", "DROP is not supported in a pipeline: only DROP TABLE IF EXISTS"),
    (
        "DROP TABLE IF EXISTS u; T;",
        "line 1, column 1: a pipeline drops only what it creates afterwards, which \"u\" is not",
    ),
    ("DROP VIEW IF EXISTS t; T;", "line 1, column 1: a pipeline drops only"),
    ("T; DROP TABLE IF EXISTS t", "a pipeline drops only"),
    ("DROP TABLE IF EXISTS t, u; T;", "line 1, column 1: expected the name of one table or view"),
    ("DROP TABLE IF EXISTS temp.t; T;", "line 1, column 1: expected the name of one table or view"),
    ("ALTER TABLE t ADD COLUMN b", "ALTER is not supported in a pipeline: "),
    (
        "PRAGMA synchronous = OFF",
        "PRAGMA is not supported in a pipeline: the load has settings for how the database is written; use --page-size",
    ),
    (
        "ATTACH 'x.db' AS x",
        "ATTACH is not supported in a pipeline: a pipeline fills one database, which is an argument of the load; name it with --database",
    ),
    ("BEGIN", "BEGIN is not supported in a pipeline: the whole pipeline is one transaction"),
    ("VACUUM", "VACUUM is not supported in a pipeline: it is a setting of the load; use --vacuum"),
    (
        "EXPLAIN SELECT 1",
        "EXPLAIN is not supported in a pipeline: the load can explain its expressions; use --explain",
    ),
    ("SELECT * FROM input", "SELECT is not supported in a pipeline: load the rows with INSERT"),
    ("T; WITH x AS (SELECT 1) INSERT INTO t SELECT 1 FROM input", "WITH is not supported in a pipeline"),
    ("REPLACE INTO t SELECT 1 FROM input", "REPLACE is not supported in a pipeline: a row that violates"),
    ("T; CREATE INDEX i ON t (b)", "column 77: no such column: b"),
    ("T; CREATE INDEX i ON other (b)", "no such table: main.other"),
    ("T; CREATE VIEW v AS SELEC 1", "line 1, column 73: near \"SELEC\": syntax error"),
    (
        "INSERT OR REPLACE INTO t SELECT 1 FROM input",
        "I INSERT OR ... and REPLACE are not supported in a pipeline",
    ),
    (
        "INSERT INTO t SELECT 1 FROM input ON CONFLICT (a) DO UPDATE SET a = 1",
        "line 2, column 35: ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint",
    ),
    (
        "INSERT INTO t SELECT 1 FROM input ON CONFLICT DO UPDATE SET a = upper(a)",
        "upper() is not available in ON CONFLICT",
    ),
    (
        "INSERT INTO t SELECT 1 FROM input ON CONFLICT DO UPDATE SET a = 1 ON CONFLICT DO NOTHING",
        "people.sql: line 2",
    ),
    ("INSERT INTO t SELECT 1 FROM input RETURNING a", "RETURNING is not supported in a pipeline"),
    ("INSERT INTO t VALUES (1)", "not from VALUES"),
    (
        "INSERT INTO t DEFAULT VALUES",
        "the rows of a pipeline come from INSERT INTO ... SELECT ... FROM input",
    ),
    ("INSERT INTO other SELECT 1 FROM input", "column 13: the table of the pipeline is \"t\", not \"other\""),
    (
        "INSERT INTO t (ab) SELECT 1 FROM input",
        "column 16: the table \"t\" has no column \"ab\" that accepts values",
    ),
    ("INSERT INTO t (a, A) SELECT 1, 2 FROM input", "column 19: the column \"A\" is named twice"),
    ("INSERT INTO t SELECT 1, 2 FROM input", "column 15: 2 values for 1 column of the table \"t\""),
    ("INSERT INTO t SELECT age", "column 15: a pipeline selects FROM input"),
    ("INSERT INTO t SELECT age FROM people", "column 31: a pipeline selects FROM input, not FROM people"),
    ("INSERT INTO t SELECT age FROM input, input b", "column 38: a join is not supported in a pipeline: "),
    ("INSERT INTO t SELECT age FROM input JOIN x USING (y)", "a join is not supported in a pipeline: "),
    (
        "INSERT INTO t SELECT age FROM (SELECT 1 AS age)",
        "column 32: a subquery is not supported in a pipeline: ",
    ),
    ("INSERT INTO t SELECT (SELECT 1) FROM input", "a subquery is not supported in a pipeline: "),
    (
        "INSERT INTO t SELECT age FROM input WHERE age IN (SELECT 1)",
        "a subquery is not supported in a pipeline: ",
    ),
    ("INSERT INTO t SELECT DISTINCT age FROM input", "column 15: DISTINCT is not supported in a pipeline: "),
    (
        "INSERT INTO t SELECT age FROM input GROUP BY age HAVING 1",
        "column 46: GROUP BY is not supported in a pipeline: ",
    ),
    ("INSERT INTO t SELECT age FROM input HAVING 1", "HAVING is not supported in a pipeline: "),
    (
        "INSERT INTO t SELECT age FROM input ORDER BY age",
        "column 46: ORDER BY is not supported in a pipeline: ",
    ),
    (
        "INSERT INTO t SELECT age FROM input LIMIT 3 OFFSET 1",
        "column 43: LIMIT is not supported in a pipeline: ",
    ),
    (
        "INSERT INTO t SELECT age FROM input UNION ALL SELECT 1",
        "column 47: UNION is not supported in a pipeline: ",
    ),
    ("INSERT INTO t SELECT age FROM input EXCEPT SELECT 1", "EXCEPT is not supported in a pipeline: "),
    (
        "INSERT INTO t WITH x AS (SELECT 1) SELECT age FROM input",
        "column 15: WITH is not supported in a pipeline: ",
    ),
    ("INSERT INTO t SELECT age FROM input;\n SELECT 'abc", "Unterminated string literal"),
    ("INSERT INTO t SELECT age FROM input FETCH FIRST 1 ROWS ONLY", "column 43: FIRST is not expected here"),
    ("INSERT INTO t SELECT TOP 1 age FROM input", "column 26: 1 is not expected here"),
    ("INSERT INTO t SELECT age INTO q FROM input", "INTO q FROM is not supported"),
    ("INSERT INTO t SELECT age FROM input QUALIFY age > 1", "column 45: age is not expected here"),
    ("INSERT INTO t SELECT age FROM input WHERE 1 QUALIFY 1", "column 45: QUALIFY is not expected here"),
    ("INSERT INTO t SELECT age FROM input TABLESAMPLE (10)", "Expected: identifier, found: 10"),
    ("INSERT INTO t SELECT age FROM input FOR UPDATE", "FOR UPDATE is not supported"),
    ("INSERT INTO t SELECT age FROM input SORT BY age", "BY is not expected here"),
    ("INSERT INTO t SELECT age FROM input AS i (age)", "(age) is not supported"),
    ("INSERT INTO t SELECT age FROM input INDEXED BY x", "INDEXED BY x is not supported"),
    (
        "INSERT OVERWRITE t SELECT age FROM input",
        "column 18: Expected: SELECT, VALUES, or a subquery in the query body, found: t",
    ),
    ("INSERT INTO t PARTITION (x = 1) SELECT age FROM input", "PARTITION (x = is not supported"),
    ("INSERT INTO t SELECT 1 +", "line 2, column 25: Expected: an expression"),
    ("INSERT INTO t SELECT age # 2 FROM input", "column 26: SQLite has no such operator"),
    ("INSERT INTO t SELECT age DIV 2 FROM input", "column 30: 2 is not expected here"),
    ("INSERT INTO t SELECT CASE WHEN 1 THN 2 END FROM input", "column 34: Expected: THEN, found: THN"),
];

#[test]
fn an_invalid_pipeline_is_rejected_with_position_and_reason() {
    for (sql, expected) in REJECTED_PIPELINES {
        let dir = TestDir::with_input(TWO_PEOPLE);
        let sql = match sql {
            _ if sql.starts_with("INSERT") && !expected.contains("begins with") => {
                format!("CREATE TABLE t (a);\n{sql}")
            }
            _ => sql.replace("T;", "CREATE TABLE t (a); INSERT INTO t SELECT 1 FROM input;"),
        };
        dir.write("people.sql", &sql);
        println!("{sql}");
        let outcome = dir.run(&["run-pipeline", "people.sql"]).expect_code(1);
        println!("{}", outcome.stderr);
        outcome.assert_single_message(&["people.sql: line ", expected.trim_start_matches("I ")]);
        assert_eq!(dir.file_names(), ["people.csv", "people.sql"]);
    }
}

#[test]
fn expressions_over_more_than_one_record_are_rejected() {
    let cases = [
        ("count(*)", "count() is an aggregate"),
        ("sum(age)", "sum() is an aggregate"),
        ("1 + max(age)", "max() is an aggregate"),
        ("upper(group_concat(age))", "group_concat() is an aggregate"),
        ("count(*) FILTER (WHERE 1)", "count() is an aggregate"),
        ("row_number() OVER ()", "row_number() OVER is a window function"),
        ("sum(age) OVER (PARTITION BY age)", "sum() OVER is a window function"),
        ("lag(age)", "lag"),
        ("EXISTS (SELECT 1)", "a subquery"),
        ("other.age", "no such column: other.age"),
        ("1x", "unrecognized token: \"1x\""),
        ("1e5x", "unrecognized token: \"1e5x\""),
        ("age < 0x", "unrecognized token: \"0x\""),
        ("0x1fg", "unrecognized token: \"0x1fg\""),
        ("1L", "unrecognized token: \"1L\""),
        ("age::TEXT", "unrecognized token: \"::\""),
        ("0x1FFFFFFFFFFFFFFFF", "has more than 64 bits"),
        ("nofunc(age)", "no such function: nofunc"),
        ("upper(age, 2)", "upper"),
        ("?1", "parameter"),
        (
            "agee",
            "no column \"agee\" in the header, which has: first_name, last_name, age (did you mean \"age\"?)",
        ),
        ("\"Last Name\"", "(did you mean \"last_name\"?)"),
        (
            "zip",
            "no column \"zip\" in the header, which has: first_name, last_name, age (a text is written in single quotes: 'zip')",
        ),
    ];
    for (expr, expected) in cases {
        let dir = TestDir::with_pipeline(
            TWO_PEOPLE,
            &format!("CREATE TABLE t (a);\nINSERT INTO t SELECT\n  {expr} FROM input"),
        );
        let outcome = dir.run(&["run-pipeline", "people.sql"]).expect_code(1);
        outcome.assert_single_message(&["people.sql: line 3, column ", expected]);
        assert_eq!(dir.file_names(), ["people.csv", "people.sql"]);
    }
}
