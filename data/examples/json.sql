-- Fields of JSON as columns. WHERE removes invalid JSON; without it, such records would be rejected.
DROP TABLE IF EXISTS events;
CREATE TABLE events (id INTEGER PRIMARY KEY, name TEXT, tags INTEGER, ms REAL);

INSERT INTO events
SELECT id, event ->> '$.user.name', json_array_length(event, '$.user.tags'), event ->> '$.ms'
FROM input
WHERE json_valid(event);
