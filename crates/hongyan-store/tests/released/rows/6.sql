-- An app that cuts texts.
UPDATE apps SET truncate_text = 1;
