// The tests of the shop for jest: npm install --save-dev hongyan jest; NODE_OPTIONS=--experimental-vm-modules npx jest
// Only the shop's `import` needs the option; the package works with `require` as well.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { ChaosKind, startSandbox } from "hongyan";
import { Shop, WeChat } from "../shop.mjs";

const SEND = "/cgi-bin/message/subscribe/send";

let sandbox;
let shop;

beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.stop());

beforeEach(async () => {
  await sandbox.reset();
  const { appid, appSecret, baseUrl, templates } = sandbox;
  const wechat = new WeChat({ appid, secret: appSecret, baseUrl, pauseMillis: 0 });
  shop = new Shop({ wechat, templateId: templates.subscribe });
});
// Whatever a test does: the real WeChat would accept each request of the shop.
afterEach(async () => expect(await sandbox.complaints()).toEqual([]));

test("a customer who subscribed sees the card", async () => {
  const openid = await shop.login(await sandbox.loginCode());
  await sandbox.subscribe({ openid });
  expect(await shop.paid(openid, "拿铁咖啡", 18)).toBe(true);
  const card = await sandbox.waitForCard({ openid });
  expect(card).toMatchObject({ page: "pages/order/order", values: { thing1: "拿铁咖啡", amount3: "¥18.00" } });
});

test("a customer who did not subscribe is told nothing", async () => {
  const openid = await sandbox.newUser();
  expect(await shop.paid(openid, "拿铁咖啡", 18)).toBe(false);
  expect(await sandbox.inbox({ openid })).toEqual([]);
});

test("a busy WeChat is asked again", async () => {
  await sandbox.subscribe();
  const rule = await sandbox.chaos({ kind: ChaosKind.ERRCODE, path: SEND, errcode: -1, times: 2 });
  expect(await shop.paid(sandbox.openid, "拿铁咖啡", 18)).toBe(true);
  expect(await rule.hits()).toBe(2);
});

test("a token that another program replaced is fetched again", async () => {
  await sandbox.subscribe({ count: 2 });
  await shop.paid(sandbox.openid, "拿铁咖啡", 18);
  await sandbox.rotateToken();
  await shop.paid(sandbox.openid, "美式咖啡", 15);
  expect((await sandbox.requests({ path: SEND })).map(({ errcode }) => errcode)).toEqual([0, 40001, 0]);
});
