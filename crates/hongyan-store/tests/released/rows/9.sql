-- An app that was changed some times.
UPDATE apps SET version = 12;
