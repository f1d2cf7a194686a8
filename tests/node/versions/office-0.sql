-- office.db as commit d5dbf19 made it, before versions were written down; one invented row in each table.
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE documents (
    digest BLOB NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, battery TEXT, issuer TEXT NOT NULL,
    point INTEGER, set_digest BLOB, credential_id TEXT, fetched_at INTEGER);
CREATE UNIQUE INDEX documents_digest ON documents (digest);
CREATE INDEX documents_set ON documents (set_digest) WHERE set_digest IS NOT NULL;
CREATE INDEX documents_battery ON documents (battery) WHERE battery IS NOT NULL;
CREATE INDEX documents_credential ON documents (credential_id) WHERE credential_id IS NOT NULL;
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, data BLOB NOT NULL, kind TEXT NOT NULL,
    battery TEXT, subject BLOB, document_digest BLOB NOT NULL, created INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'outbox', height INTEGER, leaf_index INTEGER, rule TEXT,
    winner INTEGER, reason TEXT, receipted_at INTEGER);
CREATE INDEX outbox_open ON outbox (state) WHERE receipted_at IS NULL;
CREATE INDEX outbox_document ON outbox (document_digest);
CREATE INDEX outbox_battery ON outbox (battery, kind);
CREATE TABLE issuances (
    number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, battery TEXT NOT NULL, version INTEGER NOT NULL,
    category TEXT NOT NULL, claims_digest BLOB NOT NULL, idempotency_key TEXT UNIQUE,
    signed_at INTEGER NOT NULL, published BLOB NOT NULL, produced BLOB, status_index INTEGER NOT NULL);
CREATE UNIQUE INDEX issuances_claims ON issuances (battery, claims_digest);
CREATE TABLE status_lists (
    name TEXT PRIMARY KEY, purpose TEXT NOT NULL, next_index INTEGER NOT NULL DEFAULT 0);
CREATE TABLE status_bits (
    name TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (name, place));
CREATE TABLE status_versions (
    name TEXT NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL, attestation BLOB NOT NULL,
    PRIMARY KEY (name, seq));
CREATE TABLE consignments (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, declaration TEXT NOT NULL, manifest BLOB NOT NULL,
    manifest_digest BLOB NOT NULL, consignee_eori TEXT, direction TEXT, law_date TEXT NOT NULL,
    created INTEGER NOT NULL, evaluated_at INTEGER, height INTEGER, block_time INTEGER,
    state TEXT NOT NULL DEFAULT 'queued', lines INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE items (
    consignment TEXT NOT NULL, line INTEGER NOT NULL, seq INTEGER NOT NULL, verdict TEXT NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (consignment, line));
CREATE TABLE keys (
    hash BLOB PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL, created INTEGER NOT NULL,
    last_used INTEGER);
CREATE TABLE links (
    hash BLOB PRIMARY KEY, scopes TEXT NOT NULL, next TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER);
CREATE TABLE sessions (
    hash BLOB PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL, created INTEGER NOT NULL,
    expires INTEGER NOT NULL);
INSERT INTO meta VALUES ('salt', x'01');
INSERT INTO documents VALUES (x'01', 'passport', x'7b7d', 'ZZ1', 'did:web:maker.example', 1, x'02', 'urn:uuid:1', NULL);
INSERT INTO outbox VALUES (1, x'03', x'04', 'passport.published', 'ZZ1', x'05', x'02', 100, 'admitted', 1, 0, NULL, NULL, NULL, NULL);
INSERT INTO issuances VALUES (1, x'02', 'ZZ1', 1, 'EV', x'06', 'key', 100, x'03', NULL, 0);
INSERT INTO status_lists VALUES ('revocation-1', 'revocation', 1);
INSERT INTO status_bits VALUES ('revocation-1', 0);
INSERT INTO status_versions VALUES ('revocation-1', 1, x'08', x'03');
INSERT INTO consignments VALUES (1, 'c', '26NL', x'7b7d', x'09', NULL, 'import', '2027-03-01', 100, NULL, NULL, NULL, 'queued', 1, 0);
INSERT INTO items VALUES ('c', 1, 1, 'clear', x'7b7d');
INSERT INTO keys VALUES (x'0a', 'desk', 'read', 100, NULL);
INSERT INTO links VALUES (x'0b', 'read', '/', 100, NULL);
INSERT INTO sessions VALUES (x'0c', 'page', 'read', 100, 200);
