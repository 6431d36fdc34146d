-- A line that names the fields of its change.
UPDATE audit SET fields = 'name,callback.token';
