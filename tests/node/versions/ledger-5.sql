-- ledger.db as version 5 left it, with a row in each table.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'ledger','ledger_1_blocks_and_entries','2026-11-27 02:07:20.222798+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'ledger','ledger_2_what_changed','2026-11-27 18:17:15.004948+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'ledger','ledger_3_what_governs','2026-11-27 18:29:57.098737+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'ledger','ledger_4_decisions','2026-11-29 09:11:07.717368+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'ledger','ledger_5_tiles','2026-11-29 09:24:08.322140+00:00');
CREATE TABLE blocks (
    height INTEGER PRIMARY KEY, id BLOB NOT NULL, time INTEGER NOT NULL, app_hash BLOB NOT NULL,
    block BLOB NOT NULL, certificate BLOB NOT NULL, frontier BLOB NOT NULL);
INSERT INTO "blocks" VALUES(1,X'01',100,X'02',X'03',X'04',X'05');
CREATE TABLE changed (height INTEGER, subject BLOB, PRIMARY KEY (height, subject)) WITHOUT ROWID;
INSERT INTO "changed" VALUES(1,X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY, time INTEGER NOT NULL, first_note TEXT NOT NULL, note TEXT NOT NULL);
INSERT INTO "checkpoints" VALUES(1,100,'first','newest');
CREATE TABLE entries (
    leaf_index INTEGER PRIMARY KEY, leaf_hash BLOB NOT NULL, height INTEGER NOT NULL, type TEXT NOT NULL,
    kind TEXT, issuer TEXT, subject BLOB, digest BLOB, document_digest BLOB, rule TEXT, winner INTEGER,
    entry BLOB NOT NULL);
INSERT INTO "entries" VALUES(0,X'01',1,'admitted','k','did:web:maker.example',X'02',X'03',X'04',NULL,NULL,X'05');
CREATE TABLE finals (digest BLOB NOT NULL, height INTEGER NOT NULL);
INSERT INTO "finals" VALUES(X'03',1);
CREATE TABLE "governance" (
   "height" INTEGER NOT NULL,
   "governs_from" INTEGER NOT NULL,
   "type" TEXT NOT NULL,
   "name" TEXT NOT NULL,
   "record" BLOB NOT NULL,
   PRIMARY KEY ("height", "type", "name")
);
INSERT INTO "governance" VALUES(1,1,'x','x',X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
INSERT INTO "meta" VALUES('network',X'01');
CREATE TABLE standings (subject BLOB NOT NULL, value BLOB NOT NULL);
INSERT INTO "standings" VALUES(X'02',X'06');
CREATE TABLE "tiles" (
   "level" INTEGER NOT NULL,
   "number" INTEGER NOT NULL,
   "hashes" BLOB NOT NULL,
   PRIMARY KEY ("level", "number")
);
INSERT INTO "tiles" VALUES(1,1,X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE validators (height INTEGER PRIMARY KEY, members BLOB NOT NULL);
INSERT INTO "validators" VALUES(3,X'07');
CREATE INDEX entries_subject ON entries (subject) WHERE subject IS NOT NULL;
CREATE INDEX entries_digest ON entries (digest) WHERE digest IS NOT NULL;
CREATE INDEX entries_document ON entries (document_digest)
    WHERE document_digest IS NOT NULL;
CREATE UNIQUE INDEX standings_subject ON standings (subject);
CREATE UNIQUE INDEX finals_digest ON finals (digest);
CREATE INDEX entries_evidence ON entries (leaf_index) WHERE type = 'evidence';
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX entries_decisions ON entries (leaf_index) WHERE type = 'governance';
CREATE INDEX entries_policies ON entries (leaf_index) WHERE type = 'policy';
COMMIT;
