-- Who sent a message: the caller that the message was accepted from.

-- The callers that messages name by a number: few, and written once each.
CREATE TABLE callers (
    number INTEGER NOT NULL PRIMARY KEY,
    kind   INTEGER NOT NULL, -- the codes that `audit` has: 0 an API key, 3 a person
    id     BLOB    NOT NULL, -- the key's or the person's
    name   TEXT,             -- as it was then: a person may be removed
    UNIQUE (kind, id)
) STRICT;

-- NULL: not known, because the message is older than this column or its caller has no name.
ALTER TABLE messages ADD COLUMN accepted_by INTEGER;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 16;
