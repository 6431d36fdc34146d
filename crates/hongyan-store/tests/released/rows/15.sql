-- Counts of a day.
INSERT INTO tallies (step, start, shard, appid, template, what, reason, code, count)
VALUES (1, 1789992000000, 0, app(), 'SandboxSubscribeTemplate-Paid-0000000000001', 1, '', -1, 9);
