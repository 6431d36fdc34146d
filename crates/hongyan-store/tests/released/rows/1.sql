-- Rows of the first schema. `user_id(n)` is the openid of the user n, `lane(n)` the user's lane, `id(i, n)` an id in it, `hash(n)`
-- 32 bytes that begin with n.
-- The moment 1790000000000 is "now" for the tests.

INSERT INTO apps (appid, name, secret, gateway_secret_hash, stable_token, on_unknown, payment_units, templates_synced_at,
    created_at, updated_at)
VALUES (app(), 'Tea house', x'01', zeroblob(32), 0, 1, 2, 1789999000000, 1789000000000, 1789000000000);
INSERT INTO templates (appid, template_id, channel, long_term, title, content, example, enums)
VALUES (app(), 'SandboxSubscribeTemplate-Paid-0000000000001', 1, 0, 'Paid', 'Drink:{{thing1.DATA}}', 'Drink:Latte', '{}');
INSERT INTO tokens (appid, value, generation, fetched_at, expires_at)
VALUES (app(), x'02', 7, 1789990000000, 1789997200000);
INSERT INTO gateway_tokens (hash, appid, created_at, expires_at) VALUES (hash(0x11), app(), 1789999000000, 1890006500000);
INSERT INTO api_keys (id, name, hash, scopes, created_at, revoked_at) VALUES
    (id(200, 1), 'orders', hash(0x21), '["messages","permits"]', 1789000000000, NULL),
    (id(201, 1), 'old', hash(0x22), '["all"]', 1789000000000, 1789100000000);
INSERT INTO users (lane, appid, openid, unionid, session_key, previous_session_key, logged_in_at)
VALUES (lane(1), app(), user_id(1), 'union-1', x'03', x'04', 1789999000000);
INSERT INTO sessions (lane, hash, appid, openid, expires_at)
VALUES (lane(1), hash(0x31), app(), user_id(1), 1890000000000);

-- Counters of one-time subscriptions. The unit of the message in flight (user 5) is not counted as spent yet.
WITH counters (n, granted, spent, revoked, held) AS (VALUES
    (1, 1, 1, 0, 0), (2, 2, 0, 0, 0), (3, 1, 0, 0, 1), (5, 1, 0, 0, 0), (6, 1, 0, 0, 1), (7, 2, 0, 1, 0), (8, 1, 1, 0, 0))
INSERT INTO permits (lane, appid, openid, id, expires_at, kind, granted, spent, revoked, held, unlimited, granted_at, template)
SELECT lane(n), app(), user_id(n), id(100 + n, n), 9223372036854775807, 2, granted, spent, revoked, held, 0, 1789990000000,
       'SandboxSubscribeTemplate-Paid-0000000000001'
FROM counters;
-- An expired form, a payment, and a long-term subscription.
INSERT INTO permits (lane, appid, openid, id, expires_at, kind, granted, spent, revoked, held, unlimited, granted_at, template, code)
VALUES (lane(8), app(), user_id(8), id(118, 8), 1789999000000, 0, 1, 0, 0, 0, 0, 1789390000000, NULL, 'form-1'),
       (lane(8), app(), user_id(8), id(128, 8), 1890000000000, 1, 3, 1, 0, 0, 0, 1789990000000, NULL, 'prepay-1'),
       (lane(8), app(), user_id(8), id(138, 8), 9223372036854775807, 3, 2, 2, 0, 0, 1, 1789990000000, 'long-term', NULL);

-- A message in each state: its number, its user, its state, and its reason.
WITH list (i, n, state, reason, send_at, wake_at, permit, held, maybe, attempts, outcome, errcode) AS (VALUES
    (1, 1, 4, NULL, 1789995000000, NULL, 101, 0, 0, 1, 0, 0),
    (2, 2, 1, NULL, 1789995000000, 1790000001000, NULL, 0, 0, 1, 0, -1),
    (3, 2, 1, NULL, 1789996000000, NULL, NULL, 0, 0, 0, NULL, NULL),
    (4, 3, 0, NULL, 1790003600000, 1790003600000, 103, 1, 0, 0, NULL, NULL),
    (5, 4, 2, NULL, 1789995000000, NULL, NULL, 0, 0, 0, NULL, NULL),
    (6, 5, 3, NULL, 1789999999000, NULL, 105, 0, 0, 1, NULL, NULL),
    (7, 6, 8, 'no_answer', 1789995000000, NULL, 106, 1, 1, 1, 2, NULL),
    (8, 7, 7, 'wechat_refused', 1789995000000, NULL, NULL, 0, 0, 2, 0, 40003),
    (9, 8, 4, NULL, 1789995000000, NULL, 108, 0, 0, 1, 0, 0),
    (10, 8, 9, 'cancelled', 1789995000000, NULL, NULL, 0, 0, 0, NULL, NULL),
    (11, 8, 10, 'deadline_passed', 1789995000000, NULL, NULL, 0, 0, 0, NULL, NULL))
INSERT INTO messages (id, lane, appid, openid, template, channel, policy, on_unknown, own_permit, reference, key_hash,
    fingerprint, accepted_at, send_at, deadline, state, reason, wake_at, updated_at, permit_id, permit_held, maybe_delivered,
    attempts, claimed_at, ended_at, outcome, errcode, outcome_text)
SELECT id(i, n), lane(n), app(), user_id(n), 'SandboxSubscribeTemplate-Paid-0000000000001', 1, iif(n = 4, 1, 0), 0, 0,
    'order-' || i, iif(i = 9, hash(0x41), NULL), iif(i = 9, x'5152535455565758', NULL),
    1789995000000, send_at, iif(i = 11, 1789996000000, NULL), state, reason, wake_at, 1789999999000,
    iif(permit IS NULL, NULL, id(permit, n)), held, maybe, attempts, iif(attempts > 0, 1789999999000, NULL),
    iif(outcome IS NULL, NULL, 1789999999500), outcome, errcode, iif(outcome IS NULL, NULL, 'as it was')
FROM list;
INSERT INTO message_bodies (id, lane, body)
SELECT id, lane, CAST('{"touser":"' || openid || '","template_id":"SandboxSubscribeTemplate-Paid-0000000000001","data":'
    || '{"thing1":{"value":"' || reference || '"},"date2":{"value":"2026-05-01"},"amount3":{"value":"¥12.50"}}}' AS BLOB)
FROM messages;
INSERT INTO attempts (message_id, lane, number, started_at, ended_at, permit_id, outcome, errcode, outcome_text)
VALUES (id(8, 7), lane(7), 1, 1789998000000, 1789998000500, id(107, 7), 0, 43101, 'refused');
