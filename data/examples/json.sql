-- Fields of JSON in columns of their own. What is no JSON is left out here; without WHERE it would be a reject.
CREATE TABLE events (id INTEGER PRIMARY KEY, name TEXT, tags INTEGER, ms REAL);

INSERT INTO events
SELECT id, event ->> '$.user.name', json_array_length(event, '$.user.tags'), event ->> '$.ms'
FROM input
WHERE json_valid(event);
