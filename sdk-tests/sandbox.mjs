// What the tests in JavaScript know of the world: where everything is, and what the sandbox saw.

import assert from 'node:assert/strict';

const env = process.env;

export const HOST = env.WECHAT_HOST;
export const SECRET = env.SECRET;
export const APPID = env.APPID;
export const LEGACY = env.LEGACY_TEMPLATE;
export const SUBSCRIBE = env.SUBSCRIBE_TEMPLATE;
// Only when the host is the gateway.
export const API_KEY = env.HONGYAN_API_KEY;

const SANDBOX = env.HONGYAN_SANDBOX;

export async function control(call, body = {}) {
  const answer = await fetch(`${SANDBOX}/_sandbox/${call}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ appid: APPID, ...body }),
  });
  assert.equal(answer.ok, true, `${call}: ${answer.status}`);
  return answer.json();
}

export async function asked(path) {
  const answer = await (await fetch(`${SANDBOX}/_sandbox/requests?limit=10000&path=${path}`)).json();
  return Array.isArray(answer) ? answer : answer.requests;
}

export async function inbox(openid) {
  return (await fetch(`${SANDBOX}/_sandbox/inbox?appid=${APPID}&openid=${openid}`)).json();
}

export const legacyData = (text) => ({
  keyword1: { value: text },
  keyword2: { value: '2026-05-01 09:30' },
  keyword3: { value: 'done' },
});

export const subscribeData = (text) => ({
  thing1: { value: text },
  date2: { value: '2026-05-01' },
  amount3: { value: '¥12.50' },
});
