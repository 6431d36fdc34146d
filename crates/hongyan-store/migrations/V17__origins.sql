-- Where a message comes from: the request that brought it, and its trace.

-- The id of the request, and after a space the trace's `traceparent` (W3C), each if there is one. NULL: neither is known.
ALTER TABLE messages ADD COLUMN origin TEXT;

-- The `traceparent` of the message that the event is about, if the message is traced.
ALTER TABLE webhook_events ADD COLUMN traceparent TEXT;

-- Must be the number of this file: it is what an older program refuses by.
PRAGMA user_version = 17;
