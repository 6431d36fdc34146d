-- A node that ended without leaving.
INSERT INTO nodes (name, incarnation, expires_at, seen_at) VALUES ('node-1', 42, 1789999000000, 1789999000000);
UPDATE listening SET since = 1789000000000;
