// The kit itself: what it says when something is wrong, and that no process is left behind.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import {
  CallError,
  CardsMissing,
  ChaosKind,
  SandboxError,
  connectSandbox,
  findBinary,
  startGateway,
  startSandbox,
} from "hongyan";

let sandbox;
before(async () => {
  sandbox = await startSandbox();
});
beforeEach(() => sandbox.reset());
after(() => sandbox.stop());

/** Sends a subscribe message as a back end does. Returns the errcode. */
async function send(openid) {
  const login = { grant_type: "client_credential", appid: sandbox.appid, secret: sandbox.appSecret };
  const { access_token } = await sandbox.call("POST", "/cgi-bin/stable_token", login);
  const data = { thing1: { value: "茶" }, date2: { value: "2026-05-01" }, amount3: { value: "1" } };
  const message = { touser: openid, template_id: sandbox.templates.subscribe, data };
  return (await sandbox.call("POST", "/cgi-bin/message/subscribe/send", message, { access_token })).errcode;
}

test("users have everything that a mini program gives", async () => {
  const [openid, other] = await sandbox.newUsers(2);
  assert.notEqual(openid, other);
  assert.ok(await sandbox.loginCode({ openid }));
  assert.equal(new Set(await sandbox.formIds(3, { openid })).size, 3);
  assert.ok(await sandbox.formId({ openid }));
  assert.ok(await sandbox.prepayId({ openid, uses: 3 }));
  const { appid } = await sandbox.newApp({ pages: ["pages/index/index"] });
  assert.ok(await sandbox.loginCode({ appid, openid: await sandbox.newUser({ appid }) }));
});

test("the inbox waits and says what is missing", async () => {
  await sandbox.subscribe();
  assert.equal(await send(sandbox.openid), 0);
  const [card] = await sandbox.waitForCards(1);
  assert.deepEqual([card.kind, card.values.thing1, card.sentAt instanceof Date], ["subscribe", "茶", true]);
  assert.deepEqual(await sandbox.inbox({ openid: card.openid }), [card]);
  assert.deepEqual(await sandbox.inbox({ since: card.id }), []);
  await assert.rejects(sandbox.waitForCards(2, { timeout: 0.05 }), (error) => {
    assert.ok(error instanceof CardsMissing);
    assert.match(error.message, /1 of 2 cards.*\/cgi-bin\/message\/subscribe\/send → errcode 0/s);
    return true;
  });
  assert.equal(await sandbox.clearInbox({ openid: card.openid }), 1);
});

test("answers and faults are named", async () => {
  await sandbox.subscribe({ answer: "reject" });
  assert.equal(await send(sandbox.openid), 43101);
  await sandbox.setQuota({ path: "/cgi-bin/message/subscribe/send", dailyLimit: 1, used: 1 });
  assert.equal(await send(sandbox.openid), 45009);
  const path = "/cgi-bin/stable_token";
  const rule = await sandbox.chaos({ kind: ChaosKind.ERRCODE, path, errcode: 50002, times: 1 });
  assert.equal((await sandbox.call("POST", path, {})).errcode, 50002);
  assert.equal(await rule.hits(), 1);
  await rule.remove();
  await rule.remove();
  assert.equal((await sandbox.requests({ path, limit: 1 }))[0].chaos, "errcode");
  await sandbox.chaos({ kind: ChaosKind.HANG });
  await sandbox.clearChaos();
  await assert.rejects(sandbox.loginCode({ openid: "oNobody" }), (error) => {
    assert.ok(error instanceof CallError && error instanceof SandboxError);
    assert.deepEqual([error.status, error.code], [404, "unknown_user"]);
    return true;
  });
});

test("a complaint says what the real WeChat minds", async () => {
  await sandbox.call("GET", "/cgi-bin/token", undefined, { grant_type: "client_credential", colour: "red" });
  assert.deepEqual((await sandbox.complaints()).map(({ code }) => code), ["unknown_parameter"]);
});

test("the clock moves", async () => {
  const may = new Date("2030-05-01T01:30:00Z");
  assert.ok((await sandbox.clock.set(may)) - may < 1_000);
  assert.ok((await sandbox.clock.set("2030-05-01T09:30:00+08:00")) - may < 1_000);
  const later = await sandbox.clock.advance(7 * 86_400);
  assert.ok(later - may >= 7 * 86_400_000);
  assert.ok((await sandbox.clock.now()) >= later);
});

test("a gateway sends to its own sandbox", async () => {
  const gateway = await startGateway();
  const openid = await gateway.sandbox.newUser();
  const template = gateway.sandbox.templates.subscribe;
  await gateway.sandbox.subscribe({ openid });
  await gateway.call("POST", "/v1/permits", { app: gateway.appid, openid, kind: "subscribe_once", template });
  const data = { thing1: "拿铁咖啡", date2: "2026-05-01", amount3: "¥18.00" };
  const message = { app: gateway.appid, to: openid, template, data };
  assert.equal((await gateway.call("POST", "/v1/messages", message, { wait: 5 })).state, "sent");
  assert.equal((await gateway.sandbox.waitForCard({ openid })).values.thing1, "拿铁咖啡");
  await assert.rejects(gateway.call("GET", "/v1/messages/msg_nothing"), { status: 404 });
  await gateway.stop();
});

test("a running sandbox can be used, and CommonJS has the same functions", async () => {
  const other = await connectSandbox(`${sandbox.baseUrl}/`);
  assert.equal(other.appid, sandbox.appid);
  await other.stop();
  assert.ok(await sandbox.clock.now());
  assert.equal(createRequire(import.meta.url)("hongyan").startSandbox, startSandbox);
});

test("a sandbox that died shows its end", async () => {
  const mortal = await startSandbox();
  process.kill(mortal.pid, "SIGKILL");
  await assert.rejects(mortal.inbox(), /has ended by SIGKILL/);
  await mortal.stop();
  await assert.rejects(mortal.inbox(), /was stopped/);
});

test("a start that fails shows why", async (context) => {
  await assert.rejects(startSandbox({ args: ["--colour"] }), /ended with exit code 2 .*--colour/s);
  const folder = await mkdtemp(path.join(tmpdir(), "hongyan-"));
  const kept = process.env.HONGYAN_BINARY;
  context.after(async () => {
    if (kept === undefined) delete process.env.HONGYAN_BINARY;
    else process.env.HONGYAN_BINARY = kept;
    await rm(folder, { recursive: true });
  });
  process.env.HONGYAN_BINARY = path.join(folder, "nothing");
  assert.throws(findBinary, /not an executable file/);
  process.env.HONGYAN_BINARY = path.join(folder, "foreign");
  await writeFile(process.env.HONGYAN_BINARY, "#!/the/loader/of/another/system\n", { mode: 0o755 });
  await assert.rejects(startSandbox(), /made for this system/);
  process.env.HONGYAN_BINARY = path.join(folder, "mute");
  await writeFile(process.env.HONGYAN_BINARY, `#!${process.execPath}\nprocess.stdin.resume();\n`, { mode: 0o755 });
  await assert.rejects(startSandbox({ timeout: 100 }), /was not ready after 100 ms/);
});

/** Whether a process runs. A process that nobody has waited for counts as ended. */
async function runs(pid) {
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "0 (hongyan) Z");
  return !status.includes(") Z");
}

test("a sandbox ends when its Node is killed, and does not keep a Node that forgets it", async () => {
  for (const [then, signal] of [["setInterval(() => {}, 1000)", "SIGKILL"], ["", null]]) {
    const script = `import { startSandbox } from "hongyan"; console.log((await startSandbox()).pid); ${then}`;
    const node = spawn(process.execPath, ["--input-type=module", "-e", script], { cwd: import.meta.dirname });
    const exit = new Promise((resolve) => node.once("exit", (code, by) => resolve(by)));
    const pid = Number(await new Promise((resolve) => node.stdout.once("data", resolve)));
    if (signal) node.kill(signal);
    assert.equal(await exit, signal);
    // The kernel tells nobody but the parent that a process has ended, so this test looks again and again.
    const late = Date.now() + 10_000;
    while ((await runs(pid)) && Date.now() < late) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(await runs(pid), false, `the process ${pid} goes on`);
  }
});

test("the program is a command", () => {
  const shown = spawnSync(findBinary(), ["--version"], { encoding: "utf8" });
  assert.match(shown.stdout, /^hongyan /);
});
