// What the stories about the console share: the gateway, people with their sessions, and pages in a browser.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import axe from 'axe-core';
import { launch } from './browser.mjs';
import { ask, who } from './environment.mjs';

/** @param {string} name */
function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these tests need a running demo, see web-tests/README.md`);
  return value;
}

export const gateway = required('HONGYAN_GATEWAY');
export const template = required('HONGYAN_SUBSCRIBE_TEMPLATE');
const apiKey = required('HONGYAN_API_KEY');

/** The cookie of a session on this machine. */
const COOKIE = '__Host-hongyan_session';

/** @param {string} prefix */
export const fresh = (prefix) => `${prefix}-${randomUUID().slice(0, 8)}`;

/**
 * A call of the API.
 * @param {string} path
 * @param {object} [body]
 * @param {string} [method]
 */
export async function api(path, body, method = body ? 'POST' : 'GET') {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  const answer = await fetch(gateway + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
  return text ? JSON.parse(text) : null;
}

/** A user of the mini program who has sent, accepted and paid nothing yet. */
export const newUser = async () => (await ask('/_sandbox/users', { appid: who.appid })).openid;

/** The user taps "Allow" on the phone; the gateway hears nothing of it. @param {string} openid */
export const allow = (openid) =>
  ask('/_sandbox/subscriptions', { appid: who.appid, openid, template_id: template, result: 'accept' });

/**
 * Sends a message to a user and waits until it is settled.
 * @param {string} openid
 * @param {object} [more]
 * @param {string} [thing]
 */
export const send = (openid, more = {}, thing = '拿铁咖啡 Latte') => api('/v1/messages?wait=10', {
  app: who.appid, to: openid, template, data: { thing1: thing, date2: '2026-05-01', amount3: '¥18.00' }, ...more,
});

/** A message that goes out in an hour. @param {string} openid @param {object} [more] */
export const sendLater = async (openid, more) => api('/v1/messages', {
  app: who.appid, to: openid, template, permit: 'wait', send_at: new Date(Date.now() + 3600e3).toISOString(),
  data: { thing1: '拿铁咖啡 Latte', date2: '2026-05-01', amount3: '¥18.00' }, ...more,
});

/** The state of a message. @param {string} id */
export const stateOf = async (id) => (await api(`/v1/messages/${id}`)).state;

/** A person who is logged in, without a browser. */
export class Person {
  /** @param {string} name @param {string} session @param {string} password */
  constructor(name, session, password) {
    this.name = name;
    this.session = session;
    this.password = password;
  }

  /** @param {string} path @param {RequestInit} [options] */
  ask(path, options = {}) {
    const headers = { cookie: `${COOKIE}=${this.session}`, 'accept-language': 'en', ...options.headers };
    return fetch(gateway + path, { redirect: 'manual', ...options, headers });
  }

  /** @param {string} path */
  async page(path) {
    const answer = await this.ask(path);
    return { status: answer.status, text: await answer.text() };
  }

  /** What the forms of this session bring. */
  async token() {
    const { text } = await this.page('/console/account');
    return /name="csrf" value="([0-9a-f]+)"/.exec(text)?.[1] ?? assert.fail(`no token: ${text}`);
  }

  /**
   * Posts a form, with the session's own token unless the fields have another.
   * @param {string} path
   * @param {Record<string, string>} [fields]
   */
  async post(path, fields = {}) {
    const body = new URLSearchParams({ csrf: await this.token(), ...fields });
    const answer = await this.ask(path, { method: 'POST', body });
    return { status: answer.status, text: await answer.text() };
  }
}

/** @param {Response} answer */
function sessionIn(answer) {
  const cookies = answer.headers.getSetCookie().join('; ');
  return new RegExp(`${COOKIE}=([^;]+)`).exec(cookies)?.[1] ?? assert.fail(`no session: ${answer.status} ${cookies}`);
}

/** @param {string} name @param {string} password */
async function logIn(name, password) {
  const body = new URLSearchParams({ name, password });
  const answer = await fetch(`${gateway}/console/login`, { method: 'POST', body, redirect: 'manual' });
  return new Person(name, sessionIn(answer), password);
}

/** The admin of the demo. Its link logs in once, so it is asked for once. @type {Promise<Person> | undefined} */
let theAdmin;
export function admin() {
  theAdmin ??= fetch(required('HONGYAN_CONSOLE_LOGIN'), { redirect: 'manual' })
    .then((answer) => new Person('demo', sessionIn(answer), ''));
  return theAdmin;
}

/**
 * A person whom the admin has just added, and the password that the admin was shown.
 * @param {'viewer' | 'operator' | 'admin'} role
 * @param {string[]} apps
 */
export async function added(role, apps = []) {
  const name = fresh(role);
  const boss = await admin();
  const body = new URLSearchParams({ csrf: await boss.token(), name, role });
  for (const app of apps) body.append('apps', app);
  const text = await (await boss.ask('/console/people', { method: 'POST', body })).text();
  const password = /id="secret">([^<]+)</.exec(text)?.[1] ?? assert.fail(text);
  return { name, password };
}

/**
 * A person with this role, who is logged in and has chosen a password.
 * @param {'viewer' | 'operator' | 'admin'} role
 * @param {string[]} [apps]
 */
export async function person(role, apps) {
  const { name, password } = await added(role, apps);
  const someone = await logIn(name, password);
  const own = `${randomUUID()}!`;
  const { status, text } = await someone.post('/console/account', { old: password, new: own, again: own });
  assert.equal(status, 303, text);
  someone.password = own;
  return someone;
}

export { launch };

/**
 * Runs a story in a browser window. A script error, a refused resource and a request to another host fail the story;
 * questions such as "Go on?" are answered with yes.
 * @param {import('playwright-core').Browser} browser
 * @param {Person | null} someone who is logged in
 * @param {(page: import('playwright-core').Page) => Promise<void>} story
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function inBrowser(browser, someone, story, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', ...options });
  /** @type {string[]} */
  const errors = [];
  try {
    if (someone) {
      const domain = new URL(gateway).hostname;
      await context.addCookies([{ name: COOKIE, value: someone.session, domain, path: '/', secure: true, httpOnly: true }]);
    }
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    page.on('pageerror', (error) => errors.push(String(error)));
    // A status of 4xx and a broken connection that a story wants are errors in the browser's eyes.
    page.on('console', (message) => {
      const wanted = ['status of 4', 'ERR_INTERNET_DISCONNECTED'].some((text) => message.text().includes(text));
      if (message.type() === 'error' && !wanted) errors.push(message.text());
    });
    page.on('request', (request) => {
      const own = [`${gateway}/`, `blob:${gateway}/`, 'data:'];
      if (!own.some((start) => request.url().startsWith(start))) errors.push(`asked ${request.url()}`);
    });
    page.on('dialog', (dialog) => dialog.accept());
    await story(page);
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
  }
}

/**
 * Logs in as a person does.
 * @param {import('playwright-core').Page} page
 * @param {{ name: string, password: string }} someone
 */
export async function fillLogin(page, someone) {
  await page.getByLabel('Name').fill(someone.name);
  await page.getByLabel('Password').fill(someone.password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

/** Each value is seen together with each other one. @type {['light' | 'dark', number, string][]} */
export const LOOKS = [['light', 1280, 'zh'], ['dark', 1280, 'en'], ['light', 360, 'en'], ['dark', 360, 'zh']];

/** What is wrong with the look of a page. @param {import('playwright-core').Page} page @returns {Promise<string[]>} */
export async function faults(page) {
  // Evaluated by the browser's debugger: the page's own policy lets no other script in.
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { violations } = await Reflect.get(window, 'axe').run(document, { resultTypes: ['violations'] });
    const found = violations.map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.html.slice(0, 150)).join(' | ')}`);
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (wide > 0) found.push(`it is ${wide} px wider than the screen`);
    return found;
  });
}

/** Another app in the sandbox and at the gateway, which WeChat's events reach. Remove it by `DELETE /v1/apps/{appid}`. */
export async function appWithEvents() {
  const { appid, app_secret: secret, subscribe_template: once } = await ask('/_sandbox/apps', {});
  await api('/v1/apps', { appid, secret });
  const token = 'web0tests';
  await api(`/v1/apps/${appid}`, { callback: { token, encoding_aes_key: null } }, 'PATCH');
  await ask('/_sandbox/callback', { appid, url: `${gateway}/callback/${appid}`, token, mode: 'plain', format: 'json' });
  return { appid, template: once };
}

/**
 * An address of this machine that takes webhook events, for the time of a story.
 * @param {(url: string) => Promise<void>} story
 * @param {{ status?: number, text?: string }} [answer]
 */
export async function withReceiver(story, { status = 200, text = 'taken' } = {}) {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(status, { 'content-type': 'text/plain' }).end(text));
  });
  await new Promise((ready) => { server.listen(0, '127.0.0.1', () => ready(undefined)); });
  const address = server.address();
  try {
    await story(`http://127.0.0.1:${address && typeof address === 'object' ? address.port : 0}/hook`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
