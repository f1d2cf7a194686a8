-- signing.db as commit d5dbf19 made it, before versions were written down; one invented row in each table.
CREATE TABLE wal (seq INTEGER PRIMARY KEY, height INTEGER NOT NULL, record BLOB NOT NULL);
CREATE TABLE guard (
    height INTEGER NOT NULL, round INTEGER NOT NULL, kind TEXT NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (height, round, kind));
CREATE TABLE cosign_guard (
    id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL, root BLOB NOT NULL,
    time INTEGER NOT NULL);
CREATE TABLE highest (
    id INTEGER PRIMARY KEY CHECK (id = 1), height INTEGER NOT NULL, round INTEGER NOT NULL,
    kind TEXT NOT NULL);
CREATE TABLE withheld (
    id INTEGER PRIMARY KEY CHECK (id = 1), reason TEXT NOT NULL, height INTEGER NOT NULL,
    size INTEGER NOT NULL);
CREATE TABLE allowed (
    id INTEGER PRIMARY KEY CHECK (id = 1), height INTEGER NOT NULL, size INTEGER NOT NULL);
INSERT INTO wal VALUES (1, 7, x'01');
INSERT INTO guard VALUES (7, 0, 'prevote', x'01');
INSERT INTO cosign_guard VALUES (1, 5, x'02', 100);
INSERT INTO highest VALUES (1, 7, 0, 'prevote');
INSERT INTO withheld VALUES (1, 'shown by one', 9, 6);
INSERT INTO allowed VALUES (1, 10, 7);
