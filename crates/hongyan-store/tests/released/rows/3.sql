-- An app that serves the newest waiting message first. An operator found out what became of an attempt.
UPDATE apps SET waiting_order = 1;
INSERT INTO resolutions (message_id, lane, attempt, verdict, resolved_at) VALUES (id(9, 8), lane(8), 1, 0, 1789999000000);
