-- Dates in two formats as ISO 8601, and values computed from them by SQLite functions.
DROP TABLE IF EXISTS orders;
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, ordered TEXT, shipped TEXT, month TEXT, days INTEGER);

INSERT INTO orders
SELECT order_id,
       try_date(ordered, '%d.%m.%Y'),
       try_date(shipped, '%Y-%m-%d %H:%M'),
       strftime('%Y-%m', try_date(ordered, '%d.%m.%Y')),
       CAST(julianday(date(shipped)) - julianday(try_date(ordered, '%d.%m.%Y')) AS INTEGER)
FROM input;
