-- A user's permits and the index of the user's messages lie in one tree, and a user's number is called `user_no`.
--
-- What costs a message is each different page that its commit touches. The user's permits and the user's entry in an index
-- were two pages for every message, written in the same commit. Users come in no order, so no two messages share them. In
-- one tree they are one page.

DROP INDEX permits_of_code;
DROP INDEX permits_claimed;

ALTER TABLE messages RENAME COLUMN user TO user_no;
ALTER TABLE events RENAME COLUMN user TO user_no;
ALTER TABLE acceptances RENAME COLUMN user TO user_no;
ALTER TABLE expiring_walk RENAME COLUMN user TO user_no;

-- All that stands in a user's name.
--
-- `entry` says what a row is, and is what it is looked up by:
-- * 0: a permit. Spending a unit writes this row alone. Whatever is asked about a user's permits is a walk over a few
--   neighbours.
-- * 1: a message that came without an idempotency key.
-- * the first 8 bytes of the hash of the idempotency key that a message came with (a blob is greater than any number).
--   "Was this key used before?" reads the page that the new message's entry is written to.
-- A message's entry has no more than its key. Every message in `messages` has one.
CREATE TABLE user_entries (
    lane       INTEGER NOT NULL,
    user_no    INTEGER NOT NULL, -- the user's number
    entry      ANY     NOT NULL,
    id         BLOB    NOT NULL, -- the permit's or the message's
    appid      TEXT,
    openid     TEXT,
    expires_at INTEGER,          -- the end of time for kinds that do not expire
    kind       INTEGER,
    granted    INTEGER,
    spent      INTEGER,          -- also the unit of a message in flight
    revoked    INTEGER,
    held       INTEGER,
    unlimited  INTEGER,
    granted_at INTEGER,
    template   TEXT,             -- NULL for kinds that serve any template
    code       TEXT,             -- NULL for counters
    origin     INTEGER,          -- who claimed that there is this code: 0 a back end, 1 the mini program; NULL: nobody
    PRIMARY KEY (lane, user_no, entry, id)
) STRICT, WITHOUT ROWID;

-- Both in the order of the tree, so that nothing is sorted: permits lie in it, and the index holds all that an entry needs.
INSERT INTO user_entries
SELECT lane, user, 0, id, appid, openid, expires_at, kind, granted, spent, revoked, held, unlimited, granted_at, template,
       code, origin
FROM permits ORDER BY lane, user, id;
INSERT INTO user_entries (lane, user_no, entry, id)
SELECT lane, user_no, COALESCE(key_hash, 1), id
FROM messages INDEXED BY messages_of_user ORDER BY lane, user_no, key_hash, id;

DROP INDEX messages_of_user;
DROP TABLE permits;

-- "Was this code granted before?" is one look-up, however many permits the user holds.
CREATE INDEX permits_of_code ON user_entries (lane, user_no, code) WHERE code IS NOT NULL;

-- How many claimed codes a user has open, and which is the oldest. Counters, and what comes with its message, cost this
-- index nothing.
CREATE INDEX permits_claimed ON user_entries (lane, user_no, origin, expires_at, id)
    WHERE origin IS NOT NULL AND granted > spent + revoked + held;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 10;
