// co-wechat-api, unmodified but for its host, asserted on by what the sandbox saw.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import API from 'co-wechat-api';

import { API_KEY, APPID, HOST, LEGACY, SECRET, SUBSCRIBE, asked, control, inbox, legacyData, subscribeData } from './sandbox.mjs';

// -- begin: what docs/sdks.md says
function client(appid, secret, ...more) {
  const api = new API(appid, secret, ...more);
  api.prefix = `${HOST}/cgi-bin/`;
  api.snsPrefix = `${HOST}/sns/`;
  api.wxaPrefix = `${HOST}/wxa/`;
  return api;
}
// -- end

const withCode = (code) => (error) => {
  assert.equal(error.name, 'WeChatAPIError');
  assert.equal(error.code, code, error.message);
  return true;
};

// A call for which the SDK has no method, by its own means.
async function call(api, path, body) {
  const { accessToken } = await api.ensureAccessToken();
  const request = { method: 'POST', data: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
  return api.request(`${api.prefix}${path}?access_token=${accessToken}`, request);
}
const templates = async (api) =>
  (await call(api, 'wxopen/template/list', { offset: 0, count: 20 })).list.map((template) => template.template_id);

let api;
let user;
beforeEach(async () => {
  api = client(APPID, SECRET);
  user = (await control('users')).openid;
});

test("a token is the gateway's own or WeChat's", async () => {
  const before = (await asked('/cgi-bin/token')).length;
  const { accessToken } = await api.getAccessToken();
  assert.equal(accessToken.startsWith('hyt_'), API_KEY !== undefined);
  assert.equal((await asked('/cgi-bin/token')).length - before, API_KEY ? 0 : 1);
});

test('a stable token serves as well', async () => {
  const body = JSON.stringify({ grant_type: 'client_credential', appid: APPID, secret: SECRET });
  const token = await api.request(`${api.prefix}stable_token`, { method: 'POST', data: body });
  const stable = client(APPID, SECRET, async () => ({
    accessToken: token.access_token,
    expireTime: Date.now() + token.expires_in * 1000,
  }));
  assert.ok((await templates(stable)).includes(LEGACY));
});

test('a login', async () => {
  const { code } = await control('login', { openid: user });
  const login = await api.code2Session(code);
  assert.equal(login.openid, user);
  assert.ok(login.session_key);
  assert.equal((await asked('/sns/jscode2session')).at(-1).errcode, 0);
  await assert.rejects(api.code2Session(code), withCode(40163));
});

test('a template send arrives once per form', async () => {
  const { form_id: form } = await control('forms', { openid: user });
  const send = () =>
    api.sendMiniProgramTemplate(user, LEGACY, 'pages/index/index', form, legacyData('由 co-wechat-api 发送'));
  assert.equal((await send()).errcode, 0);
  const [card, ...others] = await inbox(user);
  assert.deepEqual(others, []);
  assert.equal(card.template_id, LEGACY);
  assert.equal(card.fields[0].value, '由 co-wechat-api 发送');
  await assert.rejects(send(), withCode(41029));
  assert.equal((await inbox(user)).length, 1);
});

test("a subscribe send needs the user's consent", async () => {
  const send = (text) => api.sendSubscribeMessage(user, SUBSCRIBE, 'pages/index/index', subscribeData(text));
  await assert.rejects(send('too early'), withCode(43101));
  await control('subscriptions', { openid: user, template_id: SUBSCRIBE, result: 'accept' });
  assert.equal((await send('allowed')).errcode, 0);
  assert.deepEqual(
    (await inbox(user)).map((card) => card.fields[0].value),
    ['allowed'],
  );
});

test('templates are listed', async () => {
  const before = (await asked('/cgi-bin/wxopen/template/list')).length;
  assert.ok((await templates(api)).includes(LEGACY));
  assert.equal((await asked('/cgi-bin/wxopen/template/list')).length, before + 1);
});

test('any other call is passed on, and so is its refusal', async () => {
  const before = (await asked('/cgi-bin/openapi/quota/get')).length;
  const quota = await call(api, 'openapi/quota/get', { cgi_path: '/cgi-bin/message/subscribe/send' });
  assert.ok(quota.quota.daily_limit > 0);
  assert.equal((await asked('/cgi-bin/openapi/quota/get')).length, before + 1);
  // The sandbox draws no codes.
  await assert.rejects(api.getWXACode('pages/index/index'), withCode(40066));
});

test('wrong credentials', async () => {
  await assert.rejects(client(APPID, 'wrong').getAccessToken(), withCode(40125));
});

test('a dead token is repaired unnoticed', async () => {
  await templates(api);
  const fetched = (await asked('/cgi-bin/token')).length;
  await control('tokens/rotate');
  assert.ok((await templates(api)).includes(LEGACY));
  // By the gateway, with another call; or by the SDK itself.
  assert.equal((await asked('/cgi-bin/token')).length - fetched, API_KEY ? 0 : 1);
});

test('a revoked gateway token makes the SDK fetch another', { skip: API_KEY === undefined }, async () => {
  await templates(api);
  const before = (await api.ensureAccessToken()).accessToken;
  const answer = await fetch(`${HOST}/v1/apps/${APPID}/tokens`, {
    method: 'DELETE',
    headers: { Authorization: `Bearer ${API_KEY}` },
  });
  assert.ok((await answer.json()).revoked >= 1);
  assert.ok((await templates(api)).includes(LEGACY));
  assert.notEqual((await api.ensureAccessToken()).accessToken, before);
});
