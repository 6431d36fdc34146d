-- From where somebody logged in, so that a person recognises the own sessions. NULL: nobody knows.

ALTER TABLE console_sessions ADD COLUMN address TEXT;    -- the client's, as the proxies in front say
ALTER TABLE console_sessions ADD COLUMN user_agent TEXT; -- the browser's own words, cut

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 19;
