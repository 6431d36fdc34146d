-- Who made an API key: an actor, with the codes that `audit` has. NULL: the key is older than these columns.
ALTER TABLE api_keys ADD COLUMN created_by INTEGER;
ALTER TABLE api_keys ADD COLUMN created_by_id TEXT;
ALTER TABLE api_keys ADD COLUMN created_by_name TEXT;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 12;
