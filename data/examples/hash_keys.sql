-- A key that is a hash of other columns, the same in each load, and the origin of each row.
DROP TABLE IF EXISTS prices;
CREATE TABLE prices (id INTEGER PRIMARY KEY, store TEXT, item TEXT, price REAL, source TEXT, line INTEGER);

INSERT INTO prices
SELECT hash64(store, item), store, item, price, input_name(), line_number()
FROM input;

CREATE UNIQUE INDEX prices_by_item ON prices (store, item);
