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

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 3;
