-- An app that takes pushes, an event that is done and an event that is still to be worked on.
UPDATE apps SET callback_token = x'05', callback_aes_key = x'06', resend_unknown_after_seconds = 600;
INSERT INTO callbacks (appid, verified_at, last_event_at, last_sent_event_at)
VALUES (app(), 1789000000000, 1789999000000, 1789998000000);
INSERT INTO events (id, lane, user, appid, openid, name, digest, create_time, received_at, state, wake_at, tries, worked_at,
    effects, body)
VALUES (id(40, 1), lane(1), user_number(app(), user_id(1)), app(), user_id(1), 'subscribe_msg_change_event', hash(0x41),
        1789999000, 1789999000000, 1, NULL, 0, 1789999000500, '[]', '{"Event":"subscribe_msg_change_event"}'),
       (id(41, 8), lane(8), user_number(app(), user_id(8)), app(), user_id(8), 'subscribe_msg_popup_event', hash(0x42),
        1789999999, 1789999999000, 0, 1789999999000, 0, NULL, '[]', '{"Event":"subscribe_msg_popup_event"}');
INSERT INTO acceptances (lane, user, appid, openid, template, source, at, units, expires_at)
VALUES (lane(8), user_number(app(), user_id(8)), app(), user_id(8), 'SandboxSubscribeTemplate-Paid-0000000000001', 0, 1789999999000, 1, 1790000599000);
UPDATE messages SET msgid = 4242 WHERE id = id(1, 1);
UPDATE resolutions SET witness = 1;
