// node-easywechat, unmodified but for its host, asserted on by what the sandbox saw.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';

import easywechat from 'node-easywechat';

import { API_KEY, APPID, HOST, LEGACY, SECRET, SUBSCRIBE, asked, control, inbox, legacyData, subscribeData } from './sandbox.mjs';

// -- begin: what docs/sdks.md says
const client = (secret) =>
  new easywechat.MiniApp({ app_id: APPID, secret, http: { baseURL: `${HOST}/` }, use_stable_access_token: true });
// -- end

// It keeps tokens in files of the working directory.
const directory = mkdtempSync(join(tmpdir(), 'hongyan-sdk-'));
process.chdir(directory);
after(() => rmSync(directory, { recursive: true }));

let app;
let user;
beforeEach(async () => {
  app = client(SECRET);
  user = (await control('users')).openid;
});

const post = async (path, body) => (await app.getClient().postJson(path, body)).toObject();

test("a stable token is the gateway's own or WeChat's", async () => {
  const before = (await asked('/cgi-bin/stable_token')).length;
  const token = await app.getAccessToken().refresh();
  assert.equal(token.startsWith('hyt_'), API_KEY !== undefined);
  assert.equal((await asked('/cgi-bin/stable_token')).length - before, API_KEY ? 0 : 1);
});

test('a login', async () => {
  const { code } = await control('login', { openid: user });
  const login = await app.getUtils().codeToSession(code);
  assert.equal(login.openid, user);
  assert.ok(login.session_key);
  await assert.rejects(app.getUtils().codeToSession(code), /40163/);
});

test('both sends arrive', async () => {
  const { form_id: form } = await control('forms', { openid: user });
  const legacy = { touser: user, template_id: LEGACY, form_id: form, data: legacyData('由 node-easywechat 发送') };
  assert.equal((await post('/cgi-bin/message/wxopen/template/send', legacy)).errcode, 0);
  await control('subscriptions', { openid: user, template_id: SUBSCRIBE, result: 'accept' });
  const subscribe = { touser: user, template_id: SUBSCRIBE, data: subscribeData('allowed') };
  assert.equal((await post('/cgi-bin/message/subscribe/send', subscribe)).errcode, 0);
  assert.deepEqual(
    (await inbox(user)).map((card) => card.fields[0].value),
    ['由 node-easywechat 发送', 'allowed'],
  );
});

test('a refusal is an answer with its errcode', async () => {
  const message = { touser: user, template_id: SUBSCRIBE, data: subscribeData('too early') };
  assert.equal((await post('/cgi-bin/message/subscribe/send', message)).errcode, 43101);
  assert.deepEqual(await inbox(user), []);
});

test('templates are listed, and any other call is passed on', async () => {
  const before = (await asked('/wxaapi/newtmpl/gettemplate')).length;
  const list = (await app.getClient().get('/wxaapi/newtmpl/gettemplate')).toObject();
  assert.ok(list.data.some((template) => template.priTmplId === SUBSCRIBE));
  assert.equal((await asked('/wxaapi/newtmpl/gettemplate')).length, before + 1);
  const quota = await post('/cgi-bin/openapi/quota/get', { cgi_path: '/cgi-bin/message/subscribe/send' });
  assert.ok(quota.quota.daily_limit > 0);
});

test('wrong credentials', async () => {
  await assert.rejects(client('wrong').getAccessToken().refresh(), /40125/);
});
