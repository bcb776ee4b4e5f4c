-- Numbers where the text is a number, NULL where it is unknown.
DROP TABLE IF EXISTS people;
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, age INTEGER CHECK (age >= 0), height REAL);

INSERT INTO people (id, name, age, height)
SELECT id,
       nullif(nullif(trim(name), ''), 'n/a'),
       CASE WHEN try_integer(age) >= 0 THEN try_integer(age) END,
       try_real(replace(height, ',', '.'))
FROM input;
