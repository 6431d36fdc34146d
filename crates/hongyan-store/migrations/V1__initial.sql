-- The first schema.
--
-- `lane` is in every key of the tables that belong to users, so that each statement on a hot path names one lane
-- and the same statements work on a database that is spread over several machines. Keys of what arrives in time
-- order begin with the time-ordered id: what costs here is not the statement but each different page that a commit
-- touches. Moments are milliseconds since 1970. Numbers for states, channels, kinds and policies are the `code()`
-- of their Rust types.

-- ------------------------------------------------------------------------------------------ messages

CREATE TABLE messages (
    id                BLOB    NOT NULL,
    lane              INTEGER NOT NULL,
    appid             TEXT    NOT NULL,
    openid            TEXT    NOT NULL,
    template          TEXT    NOT NULL,
    channel           INTEGER NOT NULL,
    policy            INTEGER NOT NULL,
    on_unknown        INTEGER NOT NULL,
    own_permit        INTEGER NOT NULL, -- 1: may use the permit that came with it and no other
    reference         TEXT,
    key_hash          BLOB,             -- of the request's idempotency key, with
    fingerprint       BLOB,             -- what tells its repeat from another request under the same key
    accepted_at       INTEGER NOT NULL,
    send_at           INTEGER NOT NULL,
    deadline          INTEGER,
    state             INTEGER NOT NULL,
    reason            TEXT,
    wake_at           INTEGER,          -- NULL: no timer; an event will wake it, or nothing needs to
    updated_at        INTEGER NOT NULL,
    permit_id         BLOB,             -- in an open state other than `sending`: always a held one
    permit_held       INTEGER NOT NULL, -- 1: one of the permit's `held` units is this message's
    maybe_delivered   INTEGER NOT NULL,
    attempts          INTEGER NOT NULL,
    -- The last attempt. It moves to `attempts` when another one begins, so a message that is sent at the first
    -- attempt never writes there.
    claimed_at        INTEGER,
    ended_at          INTEGER,
    attempt_permit_id BLOB,             -- the attempt's permit, where it is not the message's any more
    outcome           INTEGER,
    errcode           INTEGER,
    outcome_text      TEXT,
    PRIMARY KEY (id, lane)
) STRICT, WITHOUT ROWID;

-- What has a timer, in the order in which it is looked at.
CREATE INDEX messages_due ON messages (lane, wake_at, send_at, id) WHERE wake_at IS NOT NULL;

-- At most one message of a user is in flight (WeChat answers 43108 otherwise): the database sees to it.
CREATE UNIQUE INDEX messages_sending ON messages (lane, appid, openid) WHERE state = 3;

-- A user's queue, and those that wait for a permit.
CREATE INDEX messages_ready ON messages (lane, appid, openid, send_at, id) WHERE state = 1;
CREATE INDEX messages_waiting ON messages (lane, appid, openid, send_at, id) WHERE state = 2;

-- A user's messages, for two questions. "Was this key used before?" is one look-up, and the page that it reads is the
-- one that the new message's entry is written to. "Why did this user get nothing?" reads what stands there of the
-- user and sorts it, which is short however long the history of all others is. Costs one page per message, for users
-- come in no order. Keys need no table of their own: one would cost a second page, for hashes come in none either.
CREATE INDEX messages_of_user ON messages (lane, appid, openid, key_hash, id);

-- For people who ask with an id of their own.
CREATE INDEX messages_reference ON messages (appid, reference, id) WHERE reference IS NOT NULL;

-- Written once, read when the message is sent.
CREATE TABLE message_bodies (
    id   BLOB    NOT NULL,
    lane INTEGER NOT NULL,
    body BLOB    NOT NULL,
    PRIMARY KEY (id, lane)
) STRICT, WITHOUT ROWID;

-- Finished attempts but the last.
CREATE TABLE attempts (
    message_id   BLOB    NOT NULL,
    lane         INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    permit_id    BLOB,
    outcome      INTEGER,
    errcode      INTEGER,
    outcome_text TEXT,
    PRIMARY KEY (message_id, lane, number)
) STRICT, WITHOUT ROWID;

-- ------------------------------------------------------------------------------------------ permits

-- A user's permits lie together, and nothing else points at them. So spending a unit writes one page, and whatever is
-- asked about a user's permits (is this code known, where is the counter, which of them may serve) is a walk over a
-- few neighbours. The store makes sure that a code is one permit of its user, and that a counter is one per user,
-- kind and template: there is one writer, and it looks before it inserts.
CREATE TABLE permits (
    lane       INTEGER NOT NULL,
    appid      TEXT    NOT NULL,
    openid     TEXT    NOT NULL,
    id         BLOB    NOT NULL,
    expires_at INTEGER NOT NULL, -- the end of time for kinds that do not expire
    kind       INTEGER NOT NULL,
    granted    INTEGER NOT NULL,
    spent      INTEGER NOT NULL,
    revoked    INTEGER NOT NULL,
    held       INTEGER NOT NULL,
    unlimited  INTEGER NOT NULL,
    granted_at INTEGER NOT NULL,
    template   TEXT,             -- NULL for kinds that serve any template
    code       TEXT,             -- NULL for counters
    PRIMARY KEY (lane, appid, openid, id)
) STRICT, WITHOUT ROWID;

-- ------------------------------------------------------------------------------------------ apps

CREATE TABLE apps (
    appid               TEXT    NOT NULL PRIMARY KEY,
    name                TEXT    NOT NULL,
    secret              BLOB    NOT NULL,
    gateway_secret_hash BLOB    NOT NULL,
    stable_token        INTEGER NOT NULL,
    on_unknown          INTEGER NOT NULL,
    payment_units       INTEGER NOT NULL,
    templates_synced_at INTEGER,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    paused_code         TEXT,
    paused_errcode      INTEGER,
    paused_detail       TEXT,
    paused_since        INTEGER,
    paused_until        INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE templates (
    appid       TEXT    NOT NULL,
    template_id TEXT    NOT NULL,
    channel     INTEGER NOT NULL,
    long_term   INTEGER NOT NULL,
    title       TEXT    NOT NULL,
    content     TEXT    NOT NULL,
    example     TEXT    NOT NULL,
    enums       TEXT    NOT NULL, -- JSON: {"enum1": ["a", "b"]}
    PRIMARY KEY (appid, template_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    appid      TEXT    NOT NULL PRIMARY KEY,
    value      BLOB    NOT NULL,
    generation INTEGER NOT NULL,
    fetched_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE gateway_tokens (
    hash       BLOB    NOT NULL PRIMARY KEY,
    appid      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_tokens_expiry ON gateway_tokens (expires_at);

-- ------------------------------------------------------------------------------------------ users

CREATE TABLE users (
    lane                 INTEGER NOT NULL,
    appid                TEXT    NOT NULL,
    openid               TEXT    NOT NULL,
    unionid              TEXT,
    session_key          BLOB    NOT NULL,
    previous_session_key BLOB,
    logged_in_at         INTEGER NOT NULL,
    PRIMARY KEY (lane, appid, openid)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    lane       INTEGER NOT NULL,
    hash       BLOB    NOT NULL,
    appid      TEXT    NOT NULL,
    openid     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (lane, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_expiry ON sessions (lane, expires_at);

-- ------------------------------------------------------------------------------------------ the service itself

CREATE TABLE api_keys (
    id         BLOB    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE,
    scopes     TEXT    NOT NULL, -- JSON: ["messages", "permits"]
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

-- One row that the health check writes: a disk that is full or read-only shows here first.
CREATE TABLE heartbeat (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    beats INTEGER NOT NULL
) STRICT;
INSERT INTO heartbeat (one, beats) VALUES (1, 0);

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 1;
