-- A person at the console.
INSERT INTO people (id, name, role, apps, password, must_change_password, created_at)
VALUES (id(60, 1), 'li', 'operator', NULL, '$argon2id$', 0, 1789000000000);
INSERT INTO console_sessions (hash, person, created_at, used_at, expires_at)
VALUES (hash(0x61), id(60, 1), 1789999000000, 1789999000000, 1890000000000);
