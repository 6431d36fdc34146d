// A client that openapi-typescript generated from the gateway's description, as a back end would use it. That it compiles
// is half of the test.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import createClient from 'openapi-fetch';

import type { components, paths, webhooks } from './generated/api.d.ts';

const variable = (name: string): string => {
  const value = process.env[name];
  assert.ok(value, name);
  return value;
};

const app = variable('APPID');
const openid = variable('OPENID');
const template = variable('SUBSCRIBE_TEMPLATE');
const client = createClient<paths>({
  baseUrl: variable('HONGYAN_URL'),
  headers: { Authorization: `Bearer ${variable('HONGYAN_API_KEY')}` },
});

const message = (text: string): components['schemas']['MessageRequest'] => ({
  app,
  to: openid,
  template,
  data: { thing1: text, date2: '2026-05-01 09:30', amount3: { value: '¥18.00' } },
});

// The user accepts one message, as on the phone, and the mini program's back end reports it.
const grant = async (): Promise<void> => {
  const accepted = await fetch(`${variable('HONGYAN_SANDBOX')}/_sandbox/subscriptions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ appid: app, openid, template_id: template, result: 'accept' }),
  });
  assert.ok(accepted.ok);
  const { data, error } = await client.POST('/v1/permits', { body: { app, openid, kind: 'subscribe_once', template } });
  assert.ok(data && 'id' in data, JSON.stringify(error));
  assert.match(data.id, /^prm_/);
};

test('a message is sent, and its id is there after one look at the answer', async () => {
  await grant();
  const { data, error, response } = await client.POST('/v1/messages', {
    params: { query: { wait: 10 }, header: { 'Idempotency-Key': `typescript-${Date.now()}` } },
    body: message('由 TypeScript 发送'),
  });
  assert.equal(response.status, 202, JSON.stringify(error));
  assert.ok(data && 'id' in data);
  const id: string = data.id;
  assert.equal(data.state satisfies components['schemas']['MessageState'], 'sent');
  assert.ok(response.headers.get('x-request-id'));

  const shown = await client.GET('/v1/messages/{id}', { params: { path: { id } } });
  assert.equal(shown.data?.state, 'sent');
  assert.equal(shown.data?.attempts[0]?.errcode, 0);
});

test('a batch says of each message what became of it', async () => {
  await grant();
  const { data } = await client.POST('/v1/messages', { body: { messages: [message('one'), message('x'.repeat(21))] } });
  assert.ok(data && 'accepted' in data);
  assert.deepEqual([data.accepted, data.refused], [1, 1]);
  const [first, second] = data.messages;
  assert.ok(first && 'id' in first);
  assert.ok(second && 'error' in second);
  assert.equal(second.error.field, 'data.thing1');
});

test('checking only says that a message is valid', async () => {
  const { data } = await client.POST('/v1/messages', { params: { query: { validate: true } }, body: message('x') });
  assert.ok(data && 'valid' in data);
  assert.equal(data.valid, true);
});

test('a refusal is a typed problem', async () => {
  const { error, response } = await client.POST('/v1/messages', { body: { ...message('x'), app: 'wxffffffffffffffff' } });
  assert.equal(response.status, 404);
  assert.equal(error?.code, 'unknown_app');
});

test('pages follow each other', async () => {
  const first = await client.GET('/v1/messages', { params: { query: { limit: 1 } } });
  const cursor: string | undefined = first.data?.next_cursor;
  assert.ok(cursor);
  const second = await client.GET('/v1/messages', { params: { query: { limit: 1, cursor } } });
  assert.notEqual(second.data?.messages[0]?.id, first.data?.messages[0]?.id);
});

test('what webhooks are sent has types', () => {
  type Sent = webhooks['message.sent']['post']['requestBody']['content']['application/json'];
  const take = (event: Sent): string => `${event.type} ${event.data.id} ${event.data.state}`;
  const event: Sent = {
    type: 'message.sent',
    timestamp: '2026-05-01T01:30:00.000Z',
    data: {
      id: 'msg_019a3c5e7b9170018a2b3c4d5e6f7081',
      app,
      to: openid,
      template,
      channel: 'subscribe',
      state: 'sent',
      attempt_count: 1,
      accepted_at: '2026-05-01T01:30:00.000Z',
    },
  };
  assert.equal(take(event), 'message.sent msg_019a3c5e7b9170018a2b3c4d5e6f7081 sent');
});
