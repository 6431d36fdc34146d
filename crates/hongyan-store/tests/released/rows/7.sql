-- A token of a service.
UPDATE gateway_tokens SET service = 'shop', last_used_at = 1789999500000;
