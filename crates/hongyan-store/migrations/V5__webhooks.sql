-- Events out: what webhooks are told of.
--
-- An event is one row, whoever wants it, written in the transaction that made it true; numbers grow, so the row lies
-- behind the last one. A webhook has a cursor: whatever it wants of the events up to there has a row in
-- `webhook_deliveries`, or was taken. So an event costs the commit that causes it one short row, and nothing at all when
-- nobody listens.

CREATE TABLE webhooks (
    number          INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: deliveries outlive their webhook for a while
    id              BLOB    NOT NULL UNIQUE,
    url             TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    types           TEXT,             -- JSON: ["message.sent"]; NULL: all
    apps            TEXT,             -- JSON: ["wx…"]; NULL: all
    secret          BLOB    NOT NULL,
    previous_secret BLOB,             -- signs too until
    previous_until  INTEGER,
    cursor          INTEGER NOT NULL, -- the number of an event
    disabled        TEXT,             -- why; NULL: it is enabled
    disabled_at     INTEGER,
    failing_since   INTEGER,
    failures        INTEGER NOT NULL,
    rest_until      INTEGER,
    last_at         INTEGER,          -- its last answer
    last_status     INTEGER,          -- NULL: there was none, and
    last_text       TEXT,             -- why
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE webhook_events (
    number     INTEGER PRIMARY KEY, -- the order in which they happened
    id         BLOB    NOT NULL,    -- ends in the number
    type       INTEGER NOT NULL,
    appid      TEXT,
    subject    INTEGER NOT NULL,    -- events of one subject are delivered in order: a user's number, or an app's
    webhook    INTEGER,             -- of a test: the one that it is for; of webhook.disabled: the one that is not told
    created_at INTEGER NOT NULL,
    data       TEXT    NOT NULL     -- JSON, as it is sent
) STRICT;

CREATE TABLE webhook_deliveries (
    event       INTEGER NOT NULL,
    webhook     INTEGER NOT NULL,
    subject     INTEGER NOT NULL, -- the event's
    state       INTEGER NOT NULL, -- 0: to be delivered, 1: taken, 2: given up
    tries       INTEGER NOT NULL,
    first_at    INTEGER,          -- the first of them
    last_at     INTEGER,
    next_try_at INTEGER,          -- of what is to be delivered, NULL: when the one before it is done
    status      INTEGER,          -- of the last try; NULL: there was no answer, and
    text        TEXT,             -- why
    PRIMARY KEY (event, webhook)
) STRICT, WITHOUT ROWID;

-- What is tried again, in the order in which it is looked at.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, next_try_at) WHERE next_try_at IS NOT NULL;

-- What stands in whose way.
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (webhook, subject, event) WHERE state = 0;

-- How far the search for permits that expire soon has come. One window of time is searched from one end of the table to
-- the other; then the next begins where it ended, so no permit is found twice.
CREATE TABLE expiring_walk (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    since   INTEGER NOT NULL, -- permits that expire after this
    until   INTEGER NOT NULL, -- and not after this
    lane    INTEGER NOT NULL, -- looked at up to here; 64: the window is done
    user    INTEGER NOT NULL,
    permit  BLOB    NOT NULL
) STRICT;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 5;
