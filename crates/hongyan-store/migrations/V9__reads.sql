-- What people ask for first, found without walking the history, and apps that know how often they were changed.

-- Messages whose outcome is in doubt (8), and those that failed (7), newest first. They are few, and so is what each costs.
CREATE INDEX messages_unknown ON messages (id) WHERE state = 8;
CREATE INDEX messages_failed ON messages (id) WHERE state = 7;

-- Rises with every change of an app's settings: a change that was made from an older state is not stored over a newer one.
ALTER TABLE apps ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 9;
