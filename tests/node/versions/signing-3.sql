-- signing.db as version 3 left it, with a row in each table.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'signing','signing_1_guards_and_wal','2026-11-27 02:07:19.798684+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'signing','signing_2_epoch','2026-11-27 18:17:14.684031+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'signing','signing_3_whose_it_is','2026-11-29 09:57:53.911361+00:00');
CREATE TABLE allowed (
    id INTEGER PRIMARY KEY CHECK (id = 1), height INTEGER NOT NULL, size INTEGER NOT NULL);
INSERT INTO "allowed" VALUES(1,10,7);
CREATE TABLE cosign_guard (
    id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL, root BLOB NOT NULL,
    time INTEGER NOT NULL);
INSERT INTO "cosign_guard" VALUES(1,5,X'02',100);
CREATE TABLE epoch (id INTEGER PRIMARY KEY CHECK (id = 1), token BLOB NOT NULL);
INSERT INTO "epoch" VALUES(1,X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE guard (
    height INTEGER NOT NULL, round INTEGER NOT NULL, kind TEXT NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (height, round, kind));
INSERT INTO "guard" VALUES(7,0,'prevote',X'01');
CREATE TABLE highest (
    id INTEGER PRIMARY KEY CHECK (id = 1), height INTEGER NOT NULL, round INTEGER NOT NULL,
    kind TEXT NOT NULL);
INSERT INTO "highest" VALUES(1,7,0,'prevote');
CREATE TABLE "meta" (
   "name" TEXT PRIMARY KEY,
   "value" BLOB NOT NULL
);
INSERT INTO "meta" VALUES('x',X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE wal (seq INTEGER PRIMARY KEY, height INTEGER NOT NULL, record BLOB NOT NULL);
INSERT INTO "wal" VALUES(1,7,X'01');
CREATE TABLE withheld (
    id INTEGER PRIMARY KEY CHECK (id = 1), reason TEXT NOT NULL, height INTEGER NOT NULL,
    size INTEGER NOT NULL);
INSERT INTO "withheld" VALUES(1,'shown by one',9,6);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
COMMIT;
