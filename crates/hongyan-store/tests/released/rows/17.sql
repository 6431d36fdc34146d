-- A message that keeps the id of its request and its trace, and an event about it.
UPDATE messages SET origin = 'r-1 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' WHERE id = id(1, 1);
UPDATE webhook_events SET traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' WHERE number = 3;
