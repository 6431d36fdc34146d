-- A key that the command line made.
UPDATE api_keys SET created_by = 1 WHERE name = 'orders';
