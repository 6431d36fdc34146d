-- People who may use the console.

CREATE TABLE people (
    id                   BLOB    NOT NULL PRIMARY KEY,
    name                 TEXT    NOT NULL UNIQUE, -- what the person logs in with, in lower case
    role                 TEXT    NOT NULL,        -- viewer, operator, admin
    apps                 TEXT,                    -- JSON: ["wx…"]; NULL: all
    password             TEXT    NOT NULL,        -- argon2id, as a PHC string
    must_change_password INTEGER NOT NULL,        -- somebody else has seen it
    totp                 BLOB,                    -- the secret of the second factor, sealed; NULL: there is none
    totp_step            INTEGER NOT NULL DEFAULT 0, -- the last step whose code was used: no code is good twice
    failures             INTEGER NOT NULL DEFAULT 0, -- wrong passwords and codes since the last login
    failed_at            INTEGER,                 -- the last of them
    created_at           INTEGER NOT NULL,
    logged_in_at         INTEGER
) STRICT, WITHOUT ROWID;

-- Who is logged in. The cookie has the token, this table its SHA-256.
CREATE TABLE console_sessions (
    hash       BLOB    NOT NULL PRIMARY KEY,
    person     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL, -- to the minute or so
    expires_at INTEGER NOT NULL  -- however much it is used
) STRICT, WITHOUT ROWID;
CREATE INDEX console_sessions_of_person ON console_sessions (person);

-- Links that log a person in, once.
CREATE TABLE login_links (
    hash       BLOB    NOT NULL PRIMARY KEY,
    person     BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 13;
