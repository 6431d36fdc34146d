-- What a caller and an operator can say about messages.

-- What operators said of attempts that got no answer. One row for each, in the message's history for ever.
CREATE TABLE resolutions (
    message_id  BLOB    NOT NULL,
    lane        INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    verdict     INTEGER NOT NULL,
    resolved_at INTEGER NOT NULL,
    PRIMARY KEY (message_id, lane, attempt)
) STRICT, WITHOUT ROWID;

-- Of a user's unsent messages with the same key, the newest counts. The key is read with the message, for one that comes
-- back unsent must look for a newer one. Few messages have one, and the index has only those that are open: 0 to 2 are
-- scheduled, ready and waiting.
CREATE INDEX messages_collapse ON messages (lane, user, collapse_key, id)
    WHERE collapse_key IS NOT NULL AND state <= 2;

-- Which of a user's waiting messages a grant serves first.
ALTER TABLE apps ADD COLUMN waiting_order INTEGER NOT NULL DEFAULT 0;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 3;
