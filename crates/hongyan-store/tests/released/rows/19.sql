-- A session that knows from where its person logged in.
UPDATE console_sessions SET address = '192.0.2.7', user_agent = 'curl/8.5.0';
