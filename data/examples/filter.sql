-- Only the records of failures, with an index and a view over their status.
DROP TABLE IF EXISTS failures;
CREATE TABLE failures (time TEXT, path TEXT, status INTEGER);

INSERT INTO failures
SELECT time, path, try_integer(status)
FROM input
WHERE lower(level) = 'error' OR (path LIKE '/api/%' AND CAST(status AS INTEGER) BETWEEN 400 AND 599);

CREATE INDEX failures_by_status ON failures (status);
CREATE VIEW worst AS SELECT status, count(*) AS times FROM failures GROUP BY status ORDER BY status DESC;
