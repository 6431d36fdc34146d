-- Who may do what, who did it, and how much one user may claim.

-- ------------------------------------------------------------------------------------------ permits

-- Who claimed that there is this code: 0 a back end, 1 the mini program. NULL: it came with its message, it is a counter,
-- or it was stored before this was asked.
ALTER TABLE permits ADD COLUMN origin INTEGER;

-- "Was this code granted before?" is one look-up, however many permits the user holds.
CREATE INDEX permits_of_code ON permits (lane, user, code) WHERE code IS NOT NULL;

-- How many claimed codes a user has open, and which is the oldest. Counters, and what comes with its message, cost this
-- index nothing.
CREATE INDEX permits_claimed ON permits (lane, user, origin, expires_at, id)
    WHERE origin IS NOT NULL AND granted > spent + revoked + held;

-- ------------------------------------------------------------------------------------------ audit

-- What was changed, by whom. A row is written before the change is begun, and its result after: a process that dies in
-- between leaves a row without a result, and never a change without a row.
CREATE TABLE audit (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    actor      INTEGER NOT NULL, -- 0 an API key, 1 the command line, 2 the gateway itself, 3 a person
    actor_id   TEXT,             -- the key's or the person's
    actor_name TEXT,
    call       TEXT    NOT NULL, -- as "POST /v1/apps/{appid}/pause", "key create"
    appid      TEXT,             -- the app that it was about; NULL: none, or more than one
    object     TEXT,             -- an id: of an app, key, webhook, token, message, …
    result     TEXT,             -- NULL: it was begun; what became of it is not known
    detail     TEXT              -- in a few words, where the result does not say it
) STRICT;
CREATE INDEX audit_at ON audit (at, number);

-- ------------------------------------------------------------------------------------------ keys and tokens

ALTER TABLE api_keys ADD COLUMN apps TEXT;            -- JSON: ["wx…"]; NULL: all
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;   -- NULL: never
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER; -- to the hour or so

-- The API key that a handed-out token was asked for with; NULL: the app's gateway secret.
ALTER TABLE gateway_tokens ADD COLUMN api_key BLOB;
CREATE INDEX gateway_tokens_of_key ON gateway_tokens (api_key) WHERE api_key IS NOT NULL;

-- ------------------------------------------------------------------------------------------ users

-- A user's sessions, newest last: all last equally long.
CREATE INDEX sessions_of_user ON sessions (lane, appid, openid, expires_at);

-- Whose session_key is old.
CREATE INDEX users_logged_in ON users (lane, logged_in_at);

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 8;
