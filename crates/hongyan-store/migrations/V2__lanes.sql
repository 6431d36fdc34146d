-- Lanes are owned, users have numbers, and a message is one row.
--
-- A user's number (`hongyan_ledger::user_number`, as a signed 64-bit integer) stands in the keys where appid and
-- openid stood: eight bytes instead of some fifty, so an index has twice as many entries on a page. Numbers may
-- collide. Where that would matter, because something belongs to one user alone (permits, keys, lists), appid and
-- openid are compared too; where it only makes two users take turns (one message in flight), they are not.
--
-- `user_number(appid, openid)` is a function that the program brings.
--
-- A message's body stands in its row, in the last column, which only who sends it reads. A table of its own cost every
-- message a statement and half a page more than it saved by keeping rows short.

-- ------------------------------------------------------------------------------------------ lanes

-- Who owns a lane, and since which change of hands. Every write that moves messages names the epoch under which it was
-- begun, so a node that has lost a lane cannot write to it.
CREATE TABLE lanes (
    lane  INTEGER NOT NULL PRIMARY KEY,
    epoch INTEGER NOT NULL, -- grows with each change of hands
    node  TEXT              -- NULL: nobody's
) STRICT;
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 63)
INSERT INTO lanes (lane, epoch) SELECT n, 0 FROM numbers;

-- ------------------------------------------------------------------------------------------ messages

CREATE TABLE messages_2 (
    id                BLOB    NOT NULL,
    lane              INTEGER NOT NULL,
    user              INTEGER NOT NULL, -- the user's number
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
    collapse_key      TEXT,             -- of a user's unsent messages with the same key, the newest counts
    replaced_by       BLOB,             -- that newer message
    body              BLOB    NOT NULL, -- written once, read when the message is sent
    PRIMARY KEY (id, lane)
) STRICT, WITHOUT ROWID;

INSERT INTO messages_2
SELECT id, lane, user_number(appid, openid), appid, openid, template, channel, policy, on_unknown, own_permit,
       reference, substr(key_hash, 1, 8), fingerprint, accepted_at, send_at, deadline, state, reason, wake_at,
       updated_at, permit_id, permit_held, maybe_delivered, attempts, claimed_at, ended_at, attempt_permit_id, outcome,
       errcode, outcome_text, NULL, NULL, body
FROM messages JOIN message_bodies USING (id, lane) ORDER BY id, lane;
DROP TABLE message_bodies;

-- ------------------------------------------------------------------------------------------ permits

CREATE TABLE permits_2 (
    lane       INTEGER NOT NULL,
    user       INTEGER NOT NULL, -- the user's number
    id         BLOB    NOT NULL,
    appid      TEXT    NOT NULL,
    openid     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL, -- the end of time for kinds that do not expire
    kind       INTEGER NOT NULL,
    granted    INTEGER NOT NULL,
    spent      INTEGER NOT NULL, -- also the unit of a message in flight
    revoked    INTEGER NOT NULL,
    held       INTEGER NOT NULL,
    unlimited  INTEGER NOT NULL,
    granted_at INTEGER NOT NULL,
    template   TEXT,             -- NULL for kinds that serve any template
    code       TEXT,             -- NULL for counters
    PRIMARY KEY (lane, user, id)
) STRICT, WITHOUT ROWID;

INSERT INTO permits_2
SELECT lane, user_number(appid, openid), id, appid, openid, expires_at, kind, granted, spent, revoked, held, unlimited,
       granted_at, template, code
FROM permits;

-- The unit of a message in flight was not counted as spent before its outcome was known; now it is.
UPDATE permits_2 SET spent = spent + 1, granted = granted + unlimited
WHERE id IN (SELECT permit_id FROM messages WHERE state = 3 AND permit_held = 0);

DROP TABLE permits;
ALTER TABLE permits_2 RENAME TO permits;
DROP TABLE messages;
ALTER TABLE messages_2 RENAME TO messages;

-- ------------------------------------------------------------------------------------------ indexes

-- What has a timer, in the order in which it is looked at.
CREATE INDEX messages_due ON messages (lane, wake_at, send_at, id) WHERE wake_at IS NOT NULL;

-- At most one message of a user is in flight (WeChat answers 43108 otherwise): the database sees to it.
CREATE UNIQUE INDEX messages_sending ON messages (lane, user) WHERE state = 3;

-- A user's queue (1, `ready`), and those that wait for a permit (2, `waiting`). One index for both, for each index
-- more costs every statement that changes a state. Who asks for one state must say `AND state IN (1, 2)` too, or the
-- index is not used.
CREATE INDEX messages_queued ON messages (lane, state, appid, user, send_at, id) WHERE state IN (1, 2);

-- A user's messages, for two questions. "Was this key used before?" is one look-up, and the page that it reads is the
-- one that the new message's entry is written to. "Why did this user get nothing?" reads what stands there of the
-- user and sorts it, which is short however long the history of all others is. Costs one page per message, for users
-- come in no order. Keys need no table of their own: one would cost a second page, for hashes come in none either.
CREATE INDEX messages_of_user ON messages (lane, user, key_hash, id);

-- For people who ask with an id of their own.
CREATE INDEX messages_reference ON messages (appid, reference, id) WHERE reference IS NOT NULL;

PRAGMA user_version = 2;
