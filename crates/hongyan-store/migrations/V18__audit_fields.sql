-- Which fields a change set.

-- The column was never written. From now on: the names of the fields that the call set, separated by commas, as
-- "name,callback.token"; never their values. NULL: the call set no field, or the line is older than this column's use.
ALTER TABLE audit RENAME COLUMN detail TO fields;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 18;
