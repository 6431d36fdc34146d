-- Whether text that is too long for its field is cut instead of refused, for messages that do not say.
ALTER TABLE apps ADD COLUMN truncate_text INTEGER NOT NULL DEFAULT 0;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 6;
