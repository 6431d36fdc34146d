-- A message whose sender is known.
INSERT INTO callers (number, kind, id, name) VALUES (1, 0, id(200, 1), NULL);
UPDATE messages SET accepted_by = 1 WHERE id = id(1, 1);
