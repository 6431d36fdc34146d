-- A webhook behind the second of four events. It has taken the first event, and failed to take the second.
INSERT INTO webhooks (number, id, url, description, types, apps, secret, cursor, failures, created_at, updated_at)
VALUES (1, id(50, 1), 'https://shop.example/hook', 'orders', '["message.sent"]', NULL, x'07', 2, 1, 1789000000000, 1789000000000);
WITH numbers (n) AS (VALUES (1), (2), (3), (4))
INSERT INTO webhook_events (number, id, type, appid, subject, created_at, data)
SELECT n, event_id(n), 0, app(), user_number(app(), user_id(1)), 1789999000000 + n, '{"n":' || n || '}' FROM numbers;
INSERT INTO webhook_deliveries (event, webhook, subject, state, tries, first_at, last_at, next_try_at, status, text)
VALUES (1, 1, user_number(app(), user_id(1)), 1, 1, 1789999000100, 1789999000100, NULL, 200, 'ok'),
       (2, 1, user_number(app(), user_id(1)), 0, 1, 1789999000200, 1789999000200, 1790000060000, 500, 'no');
INSERT INTO expiring_walk (one, since, until, lane, user, permit) VALUES (1, 1789999000000, 1790000000000, 64, 0, x'');
