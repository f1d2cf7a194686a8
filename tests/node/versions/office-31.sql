-- office.db as version 31 left it, with a row in each table.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'office','office_1_records','2026-11-27 02:07:22.179337+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'office','office_2_following_the_ledger','2026-11-27 02:07:22.179723+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'office','office_3_aside_audit_and_names','2026-11-27 02:07:22.180898+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'office','office_4_lines_that_are_watched','2026-11-27 18:17:15.193910+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'office','office_5_what_declarations_name','2026-11-27 18:17:15.248223+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'office','office_6_lines_by_time','2026-11-27 18:17:15.308552+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'office','office_7_what_else_lines_rest_on','2026-11-27 18:29:57.323050+00:00');
INSERT INTO "_sqlite_migrations" VALUES(8,'office','office_8_what_decisions_reached','2026-11-27 21:26:07.698430+00:00');
INSERT INTO "_sqlite_migrations" VALUES(9,'office','office_9_passports_issued_again','2026-11-28 10:24:51.518726+00:00');
INSERT INTO "_sqlite_migrations" VALUES(10,'office','office_10_what_waits_to_be_judged','2026-11-28 14:33:44.401196+00:00');
INSERT INTO "_sqlite_migrations" VALUES(11,'office','office_11_manifests_apart','2026-11-28 14:41:09.998695+00:00');
INSERT INTO "_sqlite_migrations" VALUES(12,'office','office_12_whose_share','2026-11-28 15:11:29.065921+00:00');
INSERT INTO "_sqlite_migrations" VALUES(13,'office','office_13_found_by_words','2026-11-29 09:44:47.765368+00:00');
INSERT INTO "_sqlite_migrations" VALUES(14,'office','office_14_sums','2026-11-29 20:32:00.632741+00:00');
INSERT INTO "_sqlite_migrations" VALUES(15,'office','office_15_alerts','2026-11-29 20:54:39.875520+00:00');
INSERT INTO "_sqlite_migrations" VALUES(16,'office','office_16_jobs','2026-11-29 21:05:39.790787+00:00');
INSERT INTO "_sqlite_migrations" VALUES(17,'office','office_17_accounts','2026-11-29 21:27:04.594278+00:00');
INSERT INTO "_sqlite_migrations" VALUES(18,'office','office_18_attempts','2026-11-29 21:40:53.767430+00:00');
INSERT INTO "_sqlite_migrations" VALUES(19,'office','office_19_rows_left_out','2026-11-29 21:40:54.246767+00:00');
INSERT INTO "_sqlite_migrations" VALUES(20,'office','office_20_reasons_of_lines','2026-11-30 00:08:07.734279+00:00');
INSERT INTO "_sqlite_migrations" VALUES(21,'office','office_21_webhooks','2026-11-30 00:31:26.126965+00:00');
INSERT INTO "_sqlite_migrations" VALUES(22,'office','office_22_cases','2026-11-30 03:46:13.399027+00:00');
INSERT INTO "_sqlite_migrations" VALUES(23,'office','office_23_reports_are_letters','2026-11-30 04:00:07.541747+00:00');
INSERT INTO "_sqlite_migrations" VALUES(24,'office','office_24_tallies','2026-11-30 04:04:23.098690+00:00');
INSERT INTO "_sqlite_migrations" VALUES(25,'office','office_25_requested_sets','2026-11-30 04:09:08.726661+00:00');
INSERT INTO "_sqlite_migrations" VALUES(26,'office','office_26_jobs_by_client','2026-11-30 10:18:06.658574+00:00');
INSERT INTO "_sqlite_migrations" VALUES(27,'office','office_27_throughput','2026-11-30 13:37:05.962301+00:00');
INSERT INTO "_sqlite_migrations" VALUES(28,'office','office_28_identities','2026-11-30 17:11:04.350548+00:00');
INSERT INTO "_sqlite_migrations" VALUES(29,'office','office_29_lot_amounts','2026-11-30 18:04:20.177670+00:00');
INSERT INTO "_sqlite_migrations" VALUES(30,'office','office_30_line_answers','2026-11-30 20:56:54.574252+00:00');
INSERT INTO "_sqlite_migrations" VALUES(31,'office','office_31_presented','2026-12-01 00:03:18.523159+00:00');
CREATE TABLE "accounts" (
   "account" TEXT PRIMARY KEY,
   "name" TEXT NOT NULL,
   "reads" TEXT NOT NULL,
   "roles" TEXT NOT NULL,
   "scopes" TEXT NOT NULL,
   "verifier" TEXT NOT NULL,
   "created" INTEGER NOT NULL,
   "made_by" TEXT NOT NULL,
   "last_used" INTEGER,
   "ended" INTEGER
);
INSERT INTO "accounts" VALUES('x','x','x','x','x','x',1,'x',1,1);
CREATE TABLE "alert_leaves" (
   "alert" INTEGER NOT NULL,
   "leaf" INTEGER NOT NULL,
   "subject" BLOB,
   PRIMARY KEY ("alert", "leaf")
);
INSERT INTO "alert_leaves" VALUES(1,1,X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE "alert_looks" (
   "who" TEXT PRIMARY KEY,
   "seq" INTEGER NOT NULL,
   "at" INTEGER NOT NULL
);
INSERT INTO "alert_looks" VALUES('x',1,1);
CREATE TABLE "alerts" (
   "number" INTEGER PRIMARY KEY,
   "id" BLOB NOT NULL,
   "seq" INTEGER NOT NULL,
   "code" TEXT NOT NULL DEFAULT '',
   "weight" INTEGER NOT NULL,
   "rule" TEXT NOT NULL DEFAULT '',
   "party" TEXT NOT NULL DEFAULT '',
   "namespace" TEXT NOT NULL DEFAULT '',
   "facility" TEXT NOT NULL DEFAULT '',
   "subject" BLOB,
   "battery" TEXT,
   "document" BLOB,
   "sides" TEXT NOT NULL DEFAULT '',
   "because" TEXT NOT NULL DEFAULT '',
   "parameters" TEXT NOT NULL DEFAULT '',
   "relied" TEXT NOT NULL DEFAULT '',
   "leaf" INTEGER NOT NULL,
   "last_leaf" INTEGER NOT NULL,
   "height" INTEGER NOT NULL,
   "at" INTEGER NOT NULL,
   "times" INTEGER NOT NULL,
   "state" TEXT NOT NULL DEFAULT 'open',
   "assigned" TEXT NOT NULL DEFAULT '',
   "case_ref" TEXT NOT NULL DEFAULT '',
   "note" TEXT NOT NULL DEFAULT '',
   "handled_by" TEXT NOT NULL DEFAULT '',
   "handled_at" INTEGER
);
INSERT INTO "alerts" VALUES(1,X'0101010101010101010101010101010101010101010101010101010101010101',1,'x',1,'x','x','x','x',X'0101010101010101010101010101010101010101010101010101010101010101','x',X'0101010101010101010101010101010101010101010101010101010101010101','x','x','x','x',1,1,1,1,1,'x','x','x','x','x',1);
CREATE TABLE "attempts" (
   "number" INTEGER PRIMARY KEY,
   "digest" BLOB NOT NULL,
   "refuser" TEXT NOT NULL,
   "code" TEXT NOT NULL,
   "party" TEXT NOT NULL,
   "kind" TEXT NOT NULL,
   "subject" BLOB NOT NULL,
   "at" INTEGER NOT NULL,
   "report" BLOB NOT NULL
);
INSERT INTO "attempts" VALUES(1,X'0101010101010101010101010101010101010101010101010101010101010101','x','x','x','x',X'0101010101010101010101010101010101010101010101010101010101010101',1,X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE "audit" (
   "number" INTEGER PRIMARY KEY,
   "at" INTEGER NOT NULL,
   "who" TEXT NOT NULL,
   "did" TEXT NOT NULL,
   "about" TEXT NOT NULL
, "account" TEXT NOT NULL DEFAULT '', "ref" BLOB);
INSERT INTO "audit" VALUES(1,1,'x','x','x','',NULL);
CREATE TABLE "case_statements" (
   "number" INTEGER PRIMARY KEY,
   "case_id" BLOB NOT NULL,
   "digest" BLOB NOT NULL,
   "author" TEXT NOT NULL,
   "act" TEXT NOT NULL,
   "at" INTEGER NOT NULL,
   "data" BLOB NOT NULL
);
INSERT INTO "case_statements" VALUES(1,X'0101010101010101010101010101010101010101010101010101010101010101',X'0101010101010101010101010101010101010101010101010101010101010101','x','x',1,X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE "cases" (
   "number" INTEGER PRIMARY KEY,
   "id" BLOB NOT NULL,
   "side" TEXT NOT NULL,
   "opener" TEXT NOT NULL,
   "accused" TEXT NOT NULL,
   "subject" BLOB,
   "battery" TEXT NOT NULL,
   "opened_at" INTEGER NOT NULL,
   "due_until" INTEGER NOT NULL,
   "state" TEXT NOT NULL,
   "outcome" TEXT NOT NULL,
   "ended_at" INTEGER,
   "changed" INTEGER NOT NULL
);
INSERT INTO "cases" VALUES(1,X'0101010101010101010101010101010101010101010101010101010101010101','x','x','x',X'0101010101010101010101010101010101010101010101010101010101010101','x',1,1,'x','x',1,1);
CREATE TABLE "columns_called" (
   "number" INTEGER PRIMARY KEY,
   "client" TEXT NOT NULL,
   "called" TEXT NOT NULL,
   "meant" TEXT NOT NULL
);
INSERT INTO "columns_called" VALUES(1,'x','x','x');
CREATE TABLE "columns_sent" (
   "consignment" TEXT PRIMARY KEY,
   "columns" BLOB NOT NULL
);
INSERT INTO "columns_sent" VALUES('x',X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE "consignment_words" (
   "number" INTEGER PRIMARY KEY,
   "text" TEXT NOT NULL
);
INSERT INTO "consignment_words" VALUES(1,'c
26nl');
CREATE TABLE consignments (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, declaration TEXT NOT NULL, manifest_digest BLOB NOT NULL, consignee_eori TEXT, direction TEXT, law_date TEXT NOT NULL,
    created INTEGER NOT NULL, evaluated_at INTEGER, height INTEGER, block_time INTEGER,
    state TEXT NOT NULL DEFAULT 'queued', lines INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0, "client" TEXT NOT NULL DEFAULT '');
INSERT INTO "consignments" VALUES(1,'c','26NL',X'09',NULL,'import','2027-03-01',100,NULL,NULL,NULL,'queued',1,0,'');
CREATE TABLE "decisions_reached" (
   "leaf" INTEGER PRIMARY KEY,
   "proposal" BLOB NOT NULL,
   "at" INTEGER NOT NULL,
   "lines" INTEGER NOT NULL,
   "consignments" INTEGER NOT NULL
);
INSERT INTO "decisions_reached" VALUES(1,X'0101010101010101010101010101010101010101010101010101010101010101',1,1,1);
CREATE TABLE "declared" (
   "number" INTEGER NOT NULL,
   "line" INTEGER NOT NULL,
   "declaration" TEXT NOT NULL,
   "battery" TEXT NOT NULL,
   PRIMARY KEY ("number", "line")
);
INSERT INTO "declared" VALUES(1,1,'x','x');
CREATE TABLE documents (
    digest BLOB NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, battery TEXT, issuer TEXT NOT NULL,
    point INTEGER, set_digest BLOB, credential_id TEXT, fetched_at INTEGER, "crc" INTEGER NOT NULL DEFAULT 0);
INSERT INTO "documents" VALUES(X'01','passport',X'7B7D','ZZ1','did:web:maker.example',1,X'02','urn:uuid:1',NULL,2745614147);
CREATE TABLE "findings" (
   "code" TEXT NOT NULL,
   "about" TEXT NOT NULL,
   "since" INTEGER NOT NULL,
   "parameters" TEXT NOT NULL,
   PRIMARY KEY ("code", "about")
);
INSERT INTO "findings" VALUES('x','x',1,'x');
CREATE TABLE "handed_sets" (
   "digest" BLOB NOT NULL,
   "party" TEXT NOT NULL,
   "at" INTEGER NOT NULL,
   PRIMARY KEY ("digest", "party")
);
INSERT INTO "handed_sets" VALUES(X'0101010101010101010101010101010101010101010101010101010101010101','x',1);
CREATE TABLE "identities" (
   "issuer" TEXT NOT NULL,
   "subject" TEXT NOT NULL,
   "account" TEXT NOT NULL,
   PRIMARY KEY ("issuer", "subject")
);
INSERT INTO "identities" VALUES('x','x','x');
CREATE TABLE "invitations" (
   "hash" BLOB PRIMARY KEY,
   "account" TEXT NOT NULL,
   "until" INTEGER NOT NULL
);
INSERT INTO "invitations" VALUES(X'0101010101010101010101010101010101010101010101010101010101010101','x',1);
CREATE TABLE issuances (
    number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, battery TEXT NOT NULL, version INTEGER NOT NULL,
    category TEXT NOT NULL, claims_digest BLOB NOT NULL, idempotency_key TEXT UNIQUE,
    signed_at INTEGER NOT NULL, published BLOB NOT NULL, produced BLOB, status_index INTEGER NOT NULL, "gave_way" INTEGER NOT NULL DEFAULT 0);
INSERT INTO "issuances" VALUES(1,X'02','ZZ1',1,'EV',X'06','key',100,X'03',NULL,0,0);
CREATE TABLE items (
    consignment TEXT NOT NULL, line INTEGER NOT NULL, seq INTEGER NOT NULL, verdict TEXT NOT NULL,
    body BLOB NOT NULL, "subject" BLOB, "namespace" TEXT, "issuer" TEXT, "was" TEXT, "stale" INTEGER NOT NULL DEFAULT 0, "settled" INTEGER NOT NULL DEFAULT 0, "due" INTEGER, "crc" INTEGER NOT NULL DEFAULT 0, "reason" TEXT NOT NULL DEFAULT '', PRIMARY KEY (consignment, line));
INSERT INTO "items" VALUES('c',1,1,'clear',X'7B7D',NULL,NULL,NULL,NULL,0,0,NULL,2745614147,'');
CREATE TABLE "job_rows" (
   "job" INTEGER NOT NULL,
   "row" INTEGER NOT NULL,
   "line" INTEGER NOT NULL,
   "data" BLOB NOT NULL,
   "state" TEXT NOT NULL,
   "battery" TEXT,
   "digest" BLOB,
   "problem" BLOB,
   PRIMARY KEY ("job", "row")
);
INSERT INTO "job_rows" VALUES(1,1,1,X'0101010101010101010101010101010101010101010101010101010101010101','x','x',X'0101010101010101010101010101010101010101010101010101010101010101',X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE "jobs" (
   "number" INTEGER PRIMARY KEY,
   "id" TEXT NOT NULL,
   "kind" TEXT NOT NULL,
   "name" TEXT NOT NULL,
   "client" TEXT NOT NULL,
   "key" TEXT,
   "asked" BLOB NOT NULL,
   "spec" BLOB NOT NULL,
   "state" TEXT NOT NULL,
   "rows" INTEGER NOT NULL,
   "created" INTEGER NOT NULL,
   "ended" INTEGER
);
INSERT INTO "jobs" VALUES(1,'x','x','x','x','x',X'0101010101010101010101010101010101010101010101010101010101010101',X'0101010101010101010101010101010101010101010101010101010101010101','x',1,1,1);
CREATE TABLE keys (
    hash BLOB PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL, created INTEGER NOT NULL,
    last_used INTEGER, "made_by" TEXT NOT NULL DEFAULT '', "revoked" INTEGER, "share" TEXT NOT NULL DEFAULT '');
INSERT INTO "keys" VALUES(X'0A','desk','read',100,NULL,'',NULL,'');
CREATE TABLE "letters" (
   "number" INTEGER PRIMARY KEY,
   "path" TEXT NOT NULL,
   "digest" BLOB NOT NULL,
   "told" TEXT NOT NULL,
   "at" INTEGER NOT NULL,
   "data" BLOB NOT NULL,
   "state" TEXT NOT NULL,
   "tries" INTEGER NOT NULL,
   "due" INTEGER NOT NULL
);
INSERT INTO "letters" VALUES(1,'x',X'0101010101010101010101010101010101010101010101010101010101010101','x',1,X'0101010101010101010101010101010101010101010101010101010101010101','x',1,1);
INSERT INTO "letters" VALUES(2,'attempts',X'0101010101010101010101010101010101010101010101010101010101010101','x',1,X'0101010101010101010101010101010101010101010101010101010101010101','x',1,1);
CREATE TABLE "line_answers" (
   "consignment" TEXT NOT NULL,
   "line" INTEGER NOT NULL,
   "body" BLOB NOT NULL,
   "crc" INTEGER NOT NULL,
   PRIMARY KEY ("consignment", "line")
);
INSERT INTO "line_answers" VALUES('x',1,X'0101010101010101010101010101010101010101010101010101010101010101',1);
CREATE TABLE "lines_reached" (
   "leaf" INTEGER NOT NULL,
   "consignment" TEXT NOT NULL,
   "line" INTEGER NOT NULL,
   "was" TEXT NOT NULL,
   "was_reason" TEXT NOT NULL,
   "verdict" TEXT,
   "reason" TEXT,
   PRIMARY KEY ("leaf", "consignment", "line")
);
INSERT INTO "lines_reached" VALUES(1,'x',1,'x','x','x','x');
CREATE TABLE links (
    hash BLOB PRIMARY KEY, scopes TEXT NOT NULL, next TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER, "made_by" TEXT NOT NULL DEFAULT '', "name" TEXT NOT NULL DEFAULT '', "share" TEXT NOT NULL DEFAULT '');
INSERT INTO "links" VALUES(X'0B','read','/',100,NULL,'','','');
CREATE TABLE "lot_amounts" (
   "leaf" INTEGER NOT NULL,
   "battery" BLOB NOT NULL,
   "what" TEXT NOT NULL,
   "author" TEXT NOT NULL,
   "owner" TEXT NOT NULL,
   "lot" TEXT NOT NULL,
   "metal" TEXT NOT NULL,
   "grams" INTEGER NOT NULL
);
INSERT INTO "lot_amounts" VALUES(1,X'0101010101010101010101010101010101010101010101010101010101010101','x','x','x','x','x',1);
CREATE TABLE "manifests" (
   "consignment" TEXT PRIMARY KEY,
   "manifest" BLOB NOT NULL
, "crc" INTEGER NOT NULL DEFAULT 0);
INSERT INTO "manifests" VALUES('c',X'7B7D',2745614147);
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
INSERT INTO "meta" VALUES('salt',X'01');
CREATE TABLE "models" (
   "name" TEXT PRIMARY KEY,
   "body" BLOB NOT NULL,
   "changed" INTEGER NOT NULL
);
INSERT INTO "models" VALUES('x',X'0101010101010101010101010101010101010101010101010101010101010101',1);
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, data BLOB NOT NULL, kind TEXT NOT NULL,
    battery TEXT, subject BLOB, document_digest BLOB NOT NULL, created INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'outbox', height INTEGER, leaf_index INTEGER, rule TEXT,
    winner INTEGER, reason TEXT, receipted_at INTEGER);
INSERT INTO "outbox" VALUES(1,X'03',X'04','passport.published','ZZ1',X'05',X'02',100,'admitted',1,0,NULL,NULL,NULL,NULL);
CREATE TABLE "passport_words" (
   "number" INTEGER PRIMARY KEY,
   "text" TEXT NOT NULL
);
INSERT INTO "passport_words" VALUES(1,'zz1
ev');
CREATE TABLE "rests_on" (
   "consignment" TEXT NOT NULL,
   "line" INTEGER NOT NULL,
   "kind" TEXT NOT NULL,
   "value" BLOB NOT NULL,
   PRIMARY KEY ("consignment", "line", "kind", "value")
);
INSERT INTO "rests_on" VALUES('x',1,'x',X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE "rows_left_out" (
   "consignment" TEXT NOT NULL,
   "row" INTEGER NOT NULL,
   "number" INTEGER NOT NULL,
   "cell" TEXT NOT NULL,
   "cells" BLOB NOT NULL,
   "sentence" TEXT NOT NULL,
   "parameters" BLOB NOT NULL,
   PRIMARY KEY ("consignment", "row")
);
INSERT INTO "rows_left_out" VALUES('x',1,1,'x',X'0101010101010101010101010101010101010101010101010101010101010101','x',X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE sessions (
    hash BLOB PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL, created INTEGER NOT NULL,
    expires INTEGER NOT NULL, "made_by" TEXT NOT NULL DEFAULT '', "share" TEXT NOT NULL DEFAULT '', "account" TEXT NOT NULL DEFAULT '');
INSERT INTO "sessions" VALUES(X'0C','page','read',100,200,'','','');
CREATE TABLE "set_aside" (
   "number" INTEGER PRIMARY KEY,
   "what" TEXT NOT NULL,
   "ref" TEXT NOT NULL,
   "because" TEXT NOT NULL,
   "at" INTEGER NOT NULL,
   "tries" INTEGER NOT NULL,
   "again" INTEGER NOT NULL
);
INSERT INTO "set_aside" VALUES(1,'x','x','x',1,1,1);
CREATE TABLE "set_requests" (
   "number" INTEGER PRIMARY KEY,
   "id" BLOB NOT NULL,
   "asker" TEXT NOT NULL,
   "asked" TEXT NOT NULL,
   "at" INTEGER NOT NULL,
   "ground" TEXT NOT NULL,
   "why" TEXT NOT NULL,
   "sets" BLOB NOT NULL,
   "about" TEXT NOT NULL,
   "consignment" TEXT NOT NULL,
   "requirement" TEXT NOT NULL,
   "data" BLOB NOT NULL,
   "state" TEXT NOT NULL,
   "answer_text" TEXT NOT NULL,
   "answered_at" INTEGER,
   "answer" BLOB
);
INSERT INTO "set_requests" VALUES(1,X'0101010101010101010101010101010101010101010101010101010101010101','x','x',1,'x','x',X'0101010101010101010101010101010101010101010101010101010101010101','x','x','x',X'0101010101010101010101010101010101010101010101010101010101010101','x','x',1,X'0101010101010101010101010101010101010101010101010101010101010101');
CREATE TABLE status_bits (
    name TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (name, place));
INSERT INTO "status_bits" VALUES('revocation-1',0);
CREATE TABLE status_lists (
    name TEXT PRIMARY KEY, purpose TEXT NOT NULL, next_index INTEGER NOT NULL DEFAULT 0, "withheld" TEXT);
INSERT INTO "status_lists" VALUES('revocation-1','revocation',1,NULL);
CREATE TABLE status_versions (
    name TEXT NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL, attestation BLOB NOT NULL,
    PRIMARY KEY (name, seq));
INSERT INTO "status_versions" VALUES('revocation-1',1,X'08',X'03');
CREATE TABLE "tallies" (
   "month" INTEGER NOT NULL,
   "side" TEXT NOT NULL,
   "home" TEXT NOT NULL,
   "party" TEXT NOT NULL,
   "facility" TEXT NOT NULL,
   "kind" TEXT NOT NULL,
   "events" INTEGER NOT NULL,
   "grams" INTEGER NOT NULL,
   PRIMARY KEY ("month", "party", "facility", "side", "kind")
);
INSERT INTO "tallies" VALUES(1,'x','x','x','x','x',1,1);
CREATE TABLE "throughput" (
   "month" INTEGER NOT NULL,
   "party" TEXT NOT NULL,
   "facility" TEXT NOT NULL,
   "kind" TEXT NOT NULL,
   "batteries" INTEGER NOT NULL,
   "grams" INTEGER NOT NULL,
   PRIMARY KEY ("month", "party", "facility", "kind")
);
INSERT INTO "throughput" VALUES(1,'x','x','x',1,1);
CREATE TABLE "webhook_posts" (
   "number" INTEGER PRIMARY KEY,
   "endpoint" TEXT NOT NULL,
   "topic" TEXT NOT NULL,
   "id" TEXT NOT NULL,
   "after" INTEGER NOT NULL,
   "body" BLOB NOT NULL,
   "at" INTEGER NOT NULL,
   "state" TEXT NOT NULL DEFAULT 'waits',
   "tries" INTEGER NOT NULL DEFAULT 0,
   "due" INTEGER NOT NULL DEFAULT 0,
   "because" TEXT NOT NULL DEFAULT ''
);
INSERT INTO "webhook_posts" VALUES(1,'x','x','x',1,X'0101010101010101010101010101010101010101010101010101010101010101',1,'x',1,1,'x');
CREATE UNIQUE INDEX documents_digest ON documents (digest);
CREATE INDEX documents_set ON documents (set_digest) WHERE set_digest IS NOT NULL;
CREATE INDEX documents_battery ON documents (battery) WHERE battery IS NOT NULL;
CREATE INDEX documents_credential ON documents (credential_id) WHERE credential_id IS NOT NULL;
CREATE INDEX outbox_open ON outbox (state) WHERE receipted_at IS NULL;
CREATE INDEX outbox_document ON outbox (document_digest);
CREATE INDEX outbox_battery ON outbox (battery, kind);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX "outbox_digest"
    ON "outbox" ("digest");
CREATE UNIQUE INDEX "issuances_digest"
    ON "issuances" ("digest");
CREATE UNIQUE INDEX "consignments_id"
    ON "consignments" ("id");
CREATE INDEX outbox_subject ON outbox (subject) WHERE subject IS NOT NULL;
CREATE UNIQUE INDEX "set_aside_ref"
    ON "set_aside" ("what", "ref");
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is never changed'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is never changed'); END;
CREATE INDEX items_subject ON items (subject) WHERE subject IS NOT NULL;
CREATE INDEX items_namespace ON items (namespace) WHERE namespace IS NOT NULL;
CREATE INDEX items_issuer ON items (issuer) WHERE issuer IS NOT NULL;
CREATE INDEX items_was ON items (was) WHERE was IS NOT NULL;
CREATE INDEX items_stale ON items (stale) WHERE stale != 0;
CREATE INDEX "consignments_declaration"
    ON "consignments" ("declaration");
CREATE INDEX "declared_battery"
    ON "declared" ("battery", "declaration", "number");
CREATE INDEX "declared_declaration"
    ON "declared" ("declaration", "number");
CREATE INDEX items_due ON items (due) WHERE due IS NOT NULL;
CREATE INDEX "rests_on_value"
    ON "rests_on" ("kind", "value");
CREATE INDEX "decisions_reached_proposal"
    ON "decisions_reached" ("proposal");
CREATE INDEX "lines_reached_line"
    ON "lines_reached" ("consignment", "line");
CREATE UNIQUE INDEX issuances_key ON issuances (idempotency_key) WHERE gave_way = 0;
CREATE UNIQUE INDEX issuances_claims ON issuances (battery, claims_digest) WHERE gave_way = 0;
CREATE INDEX consignments_waiting ON consignments (client, lines, done, state) WHERE state IN ('queued', 'running');
CREATE TRIGGER "passport_words_ai" AFTER INSERT ON "passport_words" BEGIN
  INSERT INTO "passport_words_fts" (rowid, "text") VALUES (new.rowid, new."text");
END;
CREATE TRIGGER "passport_words_ad" AFTER DELETE ON "passport_words" BEGIN
  INSERT INTO "passport_words_fts" ("passport_words_fts", rowid, "text") VALUES('delete', old.rowid, old."text");
END;
CREATE TRIGGER "passport_words_au" AFTER UPDATE ON "passport_words" BEGIN
  INSERT INTO "passport_words_fts" ("passport_words_fts", rowid, "text") VALUES('delete', old.rowid, old."text");
  INSERT INTO "passport_words_fts" (rowid, "text") VALUES (new.rowid, new."text");
END;
CREATE TRIGGER "consignment_words_ai" AFTER INSERT ON "consignment_words" BEGIN
  INSERT INTO "consignment_words_fts" (rowid, "text") VALUES (new.rowid, new."text");
END;
CREATE TRIGGER "consignment_words_ad" AFTER DELETE ON "consignment_words" BEGIN
  INSERT INTO "consignment_words_fts" ("consignment_words_fts", rowid, "text") VALUES('delete', old.rowid, old."text");
END;
CREATE TRIGGER "consignment_words_au" AFTER UPDATE ON "consignment_words" BEGIN
  INSERT INTO "consignment_words_fts" ("consignment_words_fts", rowid, "text") VALUES('delete', old.rowid, old."text");
  INSERT INTO "consignment_words_fts" (rowid, "text") VALUES (new.rowid, new."text");
END;
CREATE UNIQUE INDEX "alerts_id"
    ON "alerts" ("id");
CREATE UNIQUE INDEX "alerts_seq"
    ON "alerts" ("seq");
CREATE INDEX "alerts_subject"
    ON "alerts" ("subject");
CREATE INDEX "alert_leaves_subject"
    ON "alert_leaves" ("subject");
CREATE UNIQUE INDEX "jobs_id"
    ON "jobs" ("id");
CREATE UNIQUE INDEX jobs_key ON jobs (client, key) WHERE key IS NOT NULL;
CREATE INDEX "job_rows_state"
    ON "job_rows" ("job", "state", "row");
CREATE INDEX job_rows_battery ON job_rows (job, battery) WHERE battery IS NOT NULL;
CREATE UNIQUE INDEX accounts_reads ON accounts (reads) WHERE ended IS NULL;
CREATE INDEX audit_ref ON audit (ref) WHERE ref IS NOT NULL;
CREATE UNIQUE INDEX "columns_called_client"
    ON "columns_called" ("client", "called");
CREATE INDEX "items_reason"
    ON "items" ("consignment", "line", "verdict", "reason");
CREATE UNIQUE INDEX "webhook_posts_once"
    ON "webhook_posts" ("endpoint", "id");
CREATE INDEX "webhook_posts_state"
    ON "webhook_posts" ("endpoint", "state", "due");
CREATE UNIQUE INDEX "cases_id"
    ON "cases" ("id");
CREATE INDEX "cases_opener"
    ON "cases" ("opener");
CREATE INDEX "cases_subject"
    ON "cases" ("subject");
CREATE UNIQUE INDEX "case_statements_once"
    ON "case_statements" ("digest");
CREATE INDEX "case_statements_case"
    ON "case_statements" ("case_id");
CREATE UNIQUE INDEX "letters_once"
    ON "letters" ("path", "digest", "told");
CREATE INDEX "letters_waiting"
    ON "letters" ("state", "due", "path", "told");
CREATE INDEX "letters_path"
    ON "letters" ("path");
CREATE UNIQUE INDEX "attempts_once"
    ON "attempts" ("digest", "refuser");
CREATE UNIQUE INDEX "set_requests_id"
    ON "set_requests" ("id");
CREATE INDEX "set_requests_pair"
    ON "set_requests" ("asker", "asked");
CREATE INDEX "set_requests_waiting"
    ON "set_requests" ("asked", "state");
CREATE INDEX "set_requests_consignment"
    ON "set_requests" ("consignment");
CREATE INDEX "handed_sets_party"
    ON "handed_sets" ("party");
CREATE INDEX "jobs_waiting"
    ON "jobs" ("state", "client");
CREATE INDEX "throughput_licence"
    ON "throughput" ("party", "facility");
CREATE INDEX "lot_amounts_lot"
    ON "lot_amounts" ("owner", "lot", "metal");
CREATE INDEX "lot_amounts_battery"
    ON "lot_amounts" ("battery");
CREATE INDEX "lot_amounts_leaf"
    ON "lot_amounts" ("leaf");
CREATE INDEX outbox_presented ON outbox (created) WHERE kind = 'battery.presented';
COMMIT;
CREATE VIRTUAL TABLE "passport_words_fts" USING FTS5 (
    "text",
    tokenize='trigram',
    content="passport_words"
);
INSERT INTO passport_words_fts(passport_words_fts) VALUES('rebuild');
CREATE VIRTUAL TABLE "consignment_words_fts" USING FTS5 (
    "text",
    tokenize='trigram',
    content="consignment_words"
);
INSERT INTO consignment_words_fts(consignment_words_fts) VALUES('rebuild');
