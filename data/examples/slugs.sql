-- Texts for web addresses, headings and lists. Upper and lower case follow Unicode.
DROP TABLE IF EXISTS articles;
CREATE TABLE articles (slug TEXT PRIMARY KEY, title TEXT, heading TEXT, initials TEXT, words INTEGER);

INSERT INTO articles
SELECT slug(title),
       trim(title),
       upper(trim(title)) || ' / ' || lower(author),
       substr(title, 1, 1) || substr(author, 1, 1),
       length(trim(title)) - length(replace(trim(title), ' ', '')) + 1
FROM input;

ANALYZE articles;
