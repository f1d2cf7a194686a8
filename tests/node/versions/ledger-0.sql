-- ledger.db as commit d5dbf19 made it, before versions were written down; one invented row in each table.
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE blocks (
    height INTEGER PRIMARY KEY, id BLOB NOT NULL, time INTEGER NOT NULL, app_hash BLOB NOT NULL,
    block BLOB NOT NULL, certificate BLOB NOT NULL, frontier BLOB NOT NULL);
CREATE TABLE entries (
    leaf_index INTEGER PRIMARY KEY, leaf_hash BLOB NOT NULL, height INTEGER NOT NULL, type TEXT NOT NULL,
    kind TEXT, issuer TEXT, subject BLOB, digest BLOB, document_digest BLOB, rule TEXT, winner INTEGER,
    entry BLOB NOT NULL);
CREATE INDEX entries_subject ON entries (subject) WHERE subject IS NOT NULL;
CREATE INDEX entries_digest ON entries (digest) WHERE digest IS NOT NULL;
CREATE INDEX entries_document ON entries (document_digest)
    WHERE document_digest IS NOT NULL;
CREATE TABLE standings (subject BLOB NOT NULL, value BLOB NOT NULL);
CREATE UNIQUE INDEX standings_subject ON standings (subject);
CREATE TABLE finals (digest BLOB NOT NULL, height INTEGER NOT NULL);
CREATE UNIQUE INDEX finals_digest ON finals (digest);
CREATE INDEX entries_evidence ON entries (leaf_index) WHERE type = 'evidence';
CREATE TABLE validators (height INTEGER PRIMARY KEY, members BLOB NOT NULL);
CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY, time INTEGER NOT NULL, first_note TEXT NOT NULL, note TEXT NOT NULL);
INSERT INTO meta VALUES ('network', x'01');
INSERT INTO blocks VALUES (1, x'01', 100, x'02', x'03', x'04', x'05');
INSERT INTO entries VALUES (0, x'01', 1, 'admitted', 'k', 'did:web:maker.example', x'02', x'03', x'04', NULL, NULL, x'05');
INSERT INTO standings VALUES (x'02', x'06');
INSERT INTO finals VALUES (x'03', 1);
INSERT INTO validators VALUES (3, x'07');
INSERT INTO checkpoints VALUES (1, 100, 'first', 'newest');
