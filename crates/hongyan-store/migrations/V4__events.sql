-- What WeChat pushes.

-- ------------------------------------------------------------------------------------------ apps

ALTER TABLE apps ADD COLUMN callback_token BLOB;               -- sealed; NULL: no pushes are taken
ALTER TABLE apps ADD COLUMN callback_aes_key BLOB;             -- sealed; NULL: plain mode
ALTER TABLE apps ADD COLUMN resend_unknown_after_seconds INTEGER; -- NULL: never

-- When an app's callback was heard of. Apart from the app, whose row the writer remembers things about.
CREATE TABLE callbacks (
    appid              TEXT NOT NULL PRIMARY KEY,
    verified_at        INTEGER,
    last_event_at      INTEGER,
    last_sent_event_at INTEGER
) STRICT, WITHOUT ROWID;

-- ------------------------------------------------------------------------------------------ events

-- An event is in its user's lane, for what it does is done to that user's rows. One about no user is in a lane that
-- follows from the appid, under a number that stands for nobody of that app.
CREATE TABLE events (
    id          BLOB    NOT NULL,
    lane        INTEGER NOT NULL,
    user        INTEGER NOT NULL, -- the user's number, or the app's
    appid       TEXT    NOT NULL,
    openid      TEXT,
    name        TEXT    NOT NULL,
    digest      BLOB    NOT NULL, -- of appid and content: what tells a repeat
    create_time INTEGER NOT NULL, -- in seconds, as WeChat says
    received_at INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    wake_at     INTEGER,          -- NULL: nothing is to be done any more
    tries       INTEGER NOT NULL,
    worked_at   INTEGER,
    effects     TEXT    NOT NULL, -- JSON
    body        TEXT    NOT NULL, -- JSON
    PRIMARY KEY (id, lane)
) STRICT, WITHOUT ROWID;

-- One index for two questions: "did this come before?" and "what came about this user?".
CREATE UNIQUE INDEX events_of_user ON events (lane, user, digest);

-- What is to be worked on.
CREATE INDEX events_open ON events (lane, wake_at, id) WHERE wake_at IS NOT NULL;

-- The timestamp and nonce of each request that was taken, with what came under them: in plain mode WeChat's signature
-- is over these two and not over the content, so whoever has seen one request could send another under its signature.
-- In a lane that follows from the hash, for a forged content may name any user, and any app that has the same token.
CREATE TABLE event_nonces (
    lane       INTEGER NOT NULL,
    hash       BLOB    NOT NULL, -- of timestamp and nonce
    digest     BLOB    NOT NULL,
    expires_at INTEGER NOT NULL, -- when the timestamp is too old to be taken anyway
    PRIMARY KEY (lane, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_nonces_expiry ON event_nonces (lane, expires_at);

-- ------------------------------------------------------------------------------------------ permits

-- Accepted one-time subscriptions that one side has reported (0: mini program or back end, 1: WeChat) and the other has
-- not yet. Rows live for minutes; apps without a callback have none.
CREATE TABLE acceptances (
    lane       INTEGER NOT NULL,
    user       INTEGER NOT NULL,
    appid      TEXT    NOT NULL,
    openid     TEXT    NOT NULL,
    template   TEXT    NOT NULL,
    source     INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    units      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (lane, user, appid, openid, template, source, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX acceptances_expiry ON acceptances (lane, expires_at);

-- ------------------------------------------------------------------------------------------ messages

-- WeChat's name of the message, from the answer to its last attempt. No index: who asks has the user.
ALTER TABLE messages ADD COLUMN msgid INTEGER;

-- Who found out: 0 an operator, 1 an event of WeChat's, 2 that no event came.
ALTER TABLE resolutions ADD COLUMN witness INTEGER NOT NULL DEFAULT 0;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 4;
