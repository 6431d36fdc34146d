-- A lane that a node owned, and a message that a newer message replaced.
UPDATE lanes SET epoch = 5, node = 'node-1' WHERE lane = lane(1);
INSERT INTO messages (id, lane, user, appid, openid, template, channel, policy, on_unknown, own_permit, accepted_at, send_at,
    state, reason, updated_at, permit_held, maybe_delivered, attempts, collapse_key, replaced_by, body)
VALUES (id(20, 2), lane(2), user_number(app(), user_id(2)), app(), user_id(2), 'SandboxSubscribeTemplate-Paid-0000000000001', 1,
    0, 0, 0, 1789994000000, 1789994000000, 9, 'replaced', 1789995000000, 0, 0, 0, 'order', id(2, 2), x'7b7d');
UPDATE messages SET collapse_key = 'order' WHERE id = id(2, 2);
