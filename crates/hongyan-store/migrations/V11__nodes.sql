-- Several nodes share the lanes.

-- The nodes that serve, each until its lease ends. A node renews its lease; one that does not is taken off by the others,
-- and its lanes are theirs to acquire.
CREATE TABLE nodes (
    name        TEXT    NOT NULL PRIMARY KEY,
    incarnation INTEGER NOT NULL, -- a number of chance: tells a process from an earlier one of the same name
    expires_at  INTEGER NOT NULL, -- the end of its lease, by the machine's clock, which no test and no demo moves
    seen_at     INTEGER NOT NULL  -- when it renewed its lease last, by the clock that messages have
) STRICT, WITHOUT ROWID;

-- Since when every push of WeChat's has met a node that listened, as far as is known.
CREATE TABLE listening (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    since INTEGER NOT NULL
) STRICT;
INSERT INTO listening (one, since) VALUES (1, 0);

-- Which node may ask WeChat for an app's access token, and until when: two that ask at once make each other's token void.
CREATE TABLE token_leases (
    appid      TEXT    NOT NULL PRIMARY KEY,
    node       TEXT    NOT NULL,
    expires_at INTEGER NOT NULL -- by the machine's clock
) STRICT, WITHOUT ROWID;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 11;
