-- A key with limits, an audit line, and a code that the mini program claimed.
UPDATE api_keys SET apps = '["' || app() || '"]', expires_at = 1890000000000, last_used_at = 1789999000000 WHERE name = 'orders';
INSERT INTO audit (at, actor, actor_id, actor_name, call, appid, object, result)
VALUES (1789999000000, 0, 'key_1', 'orders', 'PATCH /v1/apps/{appid}', app(), app(), 'ok');
UPDATE permits SET origin = 1 WHERE code = 'prepay-1';
