-- Who is who in several apps: people look a user up by the unionid, too.
CREATE INDEX users_of_unionid ON users (unionid, appid, openid) WHERE unionid IS NOT NULL;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 14;
