-- People with a key that sorts by row, the last name in capitals and an e-mail address.
DROP TABLE IF EXISTS people;
CREATE TABLE people (id BLOB PRIMARY KEY, first_name TEXT, last_name TEXT, age INTEGER, email TEXT);

INSERT INTO people
SELECT uuid7(), first_name, upper(last_name), coalesce(try_integer(age), 0),
       first_name || '.' || last_name || '_' || coalesce(try_integer(age), 0) || '@somemail.com'
FROM input;
