-- How much happened when, for people: kept longer than the messages that it happened to.

-- A count of what happened in a step of time. The writer adds to the counts of a minute once per commit, in the
-- transaction that it counts. A minute that is old becomes a part of its hour, and an hour a part of its day.
--
-- The key begins with the time, so all that is counted in a minute lies together, at the end of the minutes.
CREATE TABLE tallies (
    step     INTEGER NOT NULL, -- 0 minute, 1 hour, 2 day in China
    start    INTEGER NOT NULL, -- the beginning of the step
    shard    INTEGER NOT NULL, -- who counts: those who count at once have rows of their own; the sum counts
    appid    TEXT    NOT NULL,
    template TEXT    NOT NULL,
    what     INTEGER NOT NULL, -- 0 accepted, 1 sent, 2 delivered, 3 refused, 4 failed, 5 unknown, 6 expired, 7 cancelled, 8 retried
    reason   TEXT    NOT NULL, -- of what was refused or failed; else empty
    code     INTEGER NOT NULL, -- sent: the lag's bucket, -1 if not known; refused, failed: the errcode, 0 without one; else 0
    count    INTEGER NOT NULL,
    PRIMARY KEY (step, start, shard, appid, template, what, reason, code)
) STRICT, WITHOUT ROWID;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 15;
