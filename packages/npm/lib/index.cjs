"use strict";

const { Api } = require("./api.cjs");
const { CallError, CardsMissing, SandboxError } = require("./errors.cjs");
const { Program, findBinary } = require("./process.cjs");

/** The longest wait that the sandbox accepts in one request, in seconds. */
const MAX_WAIT = 60;

// Before Node 20 there is no such symbol; TypeScript and newer Nodes look for it.
const asyncDispose = Symbol.asyncDispose ?? Symbol.for("nodejs.asyncDispose");

/** What happens to a request that a chaos rule hits. */
const ChaosKind = Object.freeze({
  ERRCODE: "errcode",
  LATENCY: "latency",
  LATE_ANSWER: "late_answer",
  HANG: "hang",
  RESET_BEFORE: "reset_before",
  RESET_AFTER: "reset_after",
  HTTP_5XX: "http_5xx",
  GARBAGE: "garbage",
  HALF_ANSWER: "half_answer",
});

class ChaosRule {
  #api;

  constructor(api, id) {
    this.#api = api;
    this.id = id;
  }

  async hits() {
    const { rules } = await this.#api.call("GET", "/_sandbox/chaos");
    return rules.find((rule) => rule.id === this.id)?.hits ?? 0;
  }

  async remove() {
    try {
      await this.#api.call("DELETE", `/_sandbox/chaos/${this.id}`);
    } catch (error) {
      if (error.code !== "unknown_rule") throw error;
    }
  }

  [asyncDispose]() {
    return this.remove();
  }
}

class Clock {
  #api;

  constructor(api) {
    this.#api = api;
  }

  async now() {
    return new Date((await this.#api.call("GET", "/_sandbox/clock")).now);
  }

  async advance(seconds) {
    return new Date((await this.#api.call("POST", "/_sandbox/clock", { advance_seconds: seconds })).now);
  }

  async set(to) {
    const set = to instanceof Date ? to.toISOString() : to;
    return new Date((await this.#api.call("POST", "/_sandbox/clock", { set })).now);
  }
}

class Sandbox {
  #api;
  #program;

  constructor(baseUrl, seed, api, program) {
    this.#api = api;
    this.#program = program;
    this.baseUrl = baseUrl;
    this.appid = seed.appid;
    this.appSecret = seed.app_secret;
    this.openid = seed.openid;
    this.templates = templatesOf(seed);
    this.clock = new Clock(api);
  }

  get pid() {
    return this.#program?.pid;
  }

  get log() {
    return this.#program?.log ?? "";
  }

  async stop() {
    await this.#program?.stop();
  }

  [asyncDispose]() {
    return this.stop();
  }

  call(method, path, body, query) {
    return this.#api.call(method, path, body, query);
  }

  async reset() {
    await this.call("POST", "/_sandbox/reset", {});
  }

  async newApp({ appid, pages } = {}) {
    const made = await this.call("POST", "/_sandbox/apps", { appid, pages });
    return { appid: made.appid, appSecret: made.app_secret, templates: templatesOf(made) };
  }

  async newUser({ appid } = {}) {
    return (await this.newUsers(1, { appid }))[0];
  }

  async newUsers(count, { appid = this.appid } = {}) {
    return (await this.call("POST", "/_sandbox/users", { appid, count })).openids;
  }

  async loginCode({ openid = this.openid, appid = this.appid } = {}) {
    return (await this.call("POST", "/_sandbox/login", { appid, openid })).code;
  }

  async formId({ openid, appid } = {}) {
    return (await this.formIds(1, { openid, appid }))[0];
  }

  async formIds(count, { openid = this.openid, appid = this.appid } = {}) {
    return (await this.call("POST", "/_sandbox/forms", { appid, openid, count })).form_ids;
  }

  async prepayId({ openid = this.openid, appid = this.appid, uses = 1 } = {}) {
    return (await this.call("POST", "/_sandbox/payments", { appid, openid, uses })).prepay_id;
  }

  async subscribe({
    openid = this.openid,
    appid = this.appid,
    templateId = this.templates.subscribe,
    answer = "accept",
    count = 1,
  } = {}) {
    const asked = { template_id: templateId, result: answer, count };
    await this.call("POST", "/_sandbox/subscriptions", { appid, openid, ...asked });
  }

  async inbox({ openid, appid = openid && this.appid, wait, count, since, limit } = {}) {
    const query = { appid, openid, wait, count, since, limit };
    return (await this.call("GET", "/_sandbox/inbox", undefined, query)).map(cardOf);
  }

  async waitForCards(count, { openid, appid, timeout = 5 } = {}) {
    const cards = await this.inbox({ openid, appid, wait: Math.min(timeout, MAX_WAIT), count });
    if (cards.length >= count) return cards;
    const lines = (await this.requests({ limit: 20 })).map(
      ({ method, path, errcode, chaos }) => `  ${method} ${path} → errcode ${errcode}${chaos ? ` (chaos: ${chaos})` : ""}`,
    );
    const asked = lines.join("\n") || "  no request";
    throw new CardsMissing(`${cards.length} of ${count} cards arrived within ${timeout} s. WeChat was asked:\n${asked}`);
  }

  async waitForCard(options) {
    return (await this.waitForCards(1, options)).at(-1);
  }

  async clearInbox({ openid, appid = openid && this.appid } = {}) {
    return (await this.call("DELETE", "/_sandbox/inbox", undefined, { appid, openid })).deleted;
  }

  async requests({ path, limit } = {}) {
    const requests = await this.call("GET", "/_sandbox/requests", undefined, { path, limit });
    return requests.map((request) => ({ ...request, time: new Date(request.time) }));
  }

  async complaints({ path } = {}) {
    return (await this.requests({ path })).flatMap((request) => request.complaints);
  }

  async chaos(rule) {
    return new ChaosRule(this.#api, (await this.call("POST", "/_sandbox/chaos", rule)).id);
  }

  async clearChaos() {
    await this.call("DELETE", "/_sandbox/chaos");
  }

  async rotateToken({ appid = this.appid } = {}) {
    await this.call("POST", "/_sandbox/tokens/rotate", { appid });
  }

  async setQuota({ path, dailyLimit, used = 0, appid = this.appid }) {
    await this.call("POST", "/_sandbox/quotas", { appid, path, daily_limit: dailyLimit, used });
  }
}

class Gateway {
  #api;
  #program;

  constructor(program, sandbox) {
    this.#program = program;
    const { gateway, api_key, gateway_secret } = program.ready;
    this.baseUrl = gateway;
    this.apiKey = api_key;
    this.gatewaySecret = gateway_secret;
    this.sandbox = sandbox;
    this.appid = sandbox.appid;
    this.#api = new Api(gateway, { authorization: `Bearer ${api_key}` }, () => program.reasonOfEnd());
  }

  call(method, path, body, query) {
    return this.#api.call(method, path, body, query);
  }

  get log() {
    return this.#program.log;
  }

  async stop() {
    await this.#program.stop();
  }

  [asyncDispose]() {
    return this.stop();
  }
}

function templatesOf({ templates }) {
  return { legacy: templates.legacy, subscribe: templates.subscribe, longTerm: templates.long_term };
}

function cardOf({ template_id, sent_at, ...card }) {
  const values = Object.fromEntries(card.fields.map(({ name, value }) => [name, value]));
  return { ...card, values, templateId: template_id, sentAt: new Date(sent_at) };
}

async function sandboxAt(baseUrl, program) {
  const api = new Api(baseUrl, {}, async () => program?.reasonOfEnd());
  return new Sandbox(baseUrl, await api.call("GET", "/_sandbox/seed"), api, program);
}

async function startSandbox({ args = [], timeout } = {}) {
  const program = await Program.start(["sandbox", "--listen", "127.0.0.1:0", ...args], timeout);
  return sandboxAt(program.ready.sandbox, program);
}

async function connectSandbox(baseUrl) {
  return sandboxAt(baseUrl.replace(/\/+$/, ""));
}

async function startGateway({ args = [], timeout } = {}) {
  const listen = ["--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"];
  const program = await Program.start(["demo", ...listen, ...args], timeout);
  return new Gateway(program, await sandboxAt(program.ready.sandbox, program));
}

module.exports = {
  CallError,
  CardsMissing,
  ChaosKind,
  SandboxError,
  connectSandbox,
  findBinary,
  startGateway,
  startSandbox,
};
