-- Tokens that the facade handed out can be listed and revoked.

-- An id that may be shown, whose token it is, and when it was last seen, to the minute or so.
ALTER TABLE gateway_tokens ADD COLUMN id BLOB NOT NULL DEFAULT x'';
ALTER TABLE gateway_tokens ADD COLUMN service TEXT;
ALTER TABLE gateway_tokens ADD COLUMN last_used_at INTEGER;

-- Those that are out already get one: 16 bytes that nobody can guess, like any other.
UPDATE gateway_tokens SET id = randomblob(16);

-- An app's tokens, newest first.
CREATE INDEX gateway_tokens_of_app ON gateway_tokens (appid, id);

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 7;
