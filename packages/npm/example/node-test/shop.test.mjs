// The tests of the shop for node:test. `npm install --save-dev hongyan` brings the sandbox.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { ChaosKind, startSandbox } from "hongyan";
import { Shop, WeChat } from "../shop.mjs";

const SEND = "/cgi-bin/message/subscribe/send";

let sandbox;
let shop;

before(async () => {
  sandbox = await startSandbox();
});
after(() => sandbox.stop());

beforeEach(async () => {
  await sandbox.reset();
  const { appid, appSecret, baseUrl, templates } = sandbox;
  const wechat = new WeChat({ appid, secret: appSecret, baseUrl, pauseMillis: 0 });
  shop = new Shop({ wechat, templateId: templates.subscribe });
});
// Whatever a test does: the real WeChat would accept each request of the shop.
afterEach(async () => assert.deepEqual(await sandbox.complaints(), []));

/** The errcodes of the sends so far. */
async function sends() {
  return (await sandbox.requests({ path: SEND })).map(({ errcode }) => errcode);
}

test("a customer who subscribed sees the card", async () => {
  const openid = await shop.login(await sandbox.loginCode());
  await sandbox.subscribe({ openid });
  assert.equal(await shop.paid(openid, "拿铁咖啡", 18), true);
  const card = await sandbox.waitForCard({ openid });
  assert.equal(card.values.thing1, "拿铁咖啡");
  assert.equal(card.values.amount3, "¥18.00");
  assert.equal(card.page, "pages/order/order");
});

test("a login code works once", async () => {
  const code = await sandbox.loginCode();
  assert.equal(await shop.login(code), sandbox.openid);
  await assert.rejects(shop.login(code), { errcode: 40163 });
});

test("a customer who did not subscribe is told nothing", async () => {
  const openid = await sandbox.newUser();
  assert.equal(await shop.paid(openid, "拿铁咖啡", 18), false);
  assert.deepEqual(await sends(), [43101]);
  assert.deepEqual(await sandbox.inbox({ openid }), []);
});

test("one subscription is one message", async () => {
  await sandbox.subscribe();
  assert.equal(await shop.paid(sandbox.openid, "拿铁咖啡", 18), true);
  assert.equal(await shop.paid(sandbox.openid, "拿铁咖啡", 18), false);
  assert.equal((await sandbox.inbox()).length, 1);
});

test("a busy WeChat is asked again", async () => {
  await sandbox.subscribe();
  const rule = await sandbox.chaos({ kind: ChaosKind.ERRCODE, path: SEND, errcode: -1, times: 2 });
  assert.equal(await shop.paid(sandbox.openid, "拿铁咖啡", 18), true);
  assert.equal(await rule.hits(), 2);
  assert.equal((await sandbox.inbox()).length, 1);
});

test("a WeChat that stays busy is an error", async () => {
  await sandbox.subscribe();
  const rule = await sandbox.chaos({ kind: ChaosKind.ERRCODE, path: SEND, errcode: -1 });
  await assert.rejects(shop.paid(sandbox.openid, "拿铁咖啡", 18), { errcode: -1 });
  await rule.remove();
  assert.equal(await shop.paid(sandbox.openid, "拿铁咖啡", 18), true, "the subscription is not spent");
});

test("a token that another program replaced is fetched again", async () => {
  await sandbox.subscribe({ count: 2 });
  await shop.paid(sandbox.openid, "拿铁咖啡", 18);
  await sandbox.rotateToken();
  await shop.paid(sandbox.openid, "美式咖啡", 15);
  assert.deepEqual((await sandbox.inbox()).map(({ values }) => values.thing1), ["拿铁咖啡", "美式咖啡"]);
  assert.deepEqual(await sends(), [0, 40001, 0]);
});

test("a token that has expired is fetched again", async () => {
  await sandbox.subscribe({ count: 2 });
  await shop.paid(sandbox.openid, "拿铁咖啡", 18);
  await sandbox.clock.advance(2 * 3600 + 1);
  await shop.paid(sandbox.openid, "美式咖啡", 15);
  assert.deepEqual(await sends(), [0, 42001, 0]);
});

test("after a lost answer the message is not sent twice", async () => {
  await sandbox.subscribe({ count: 2 });
  await sandbox.chaos({ kind: ChaosKind.RESET_AFTER, path: SEND, times: 1 });
  await assert.rejects(shop.paid(sandbox.openid, "拿铁咖啡", 18), TypeError);
  assert.equal((await sandbox.inbox()).length, 1);
});
