// @ts-check
// The phone: starts everything and plays the mini program's part as the tutorial wrote it. See miniprogram/ for the
// real one. Modules: api (calls), inbox (cards), hops (side panel), sheet (boxes), clock, i18n (texts).

import * as api from './api.js';
import { setNow, startClock } from './clock.js';
import { Hops } from './hops.js';
import { applyTexts, lang, setAppName, setLang, t } from './i18n.js';
import { Inbox } from './inbox.js';
import { askSubscription, byId, showError, toast } from './sheet.js';
import * as who from './who.js';

/** After a load test a user may have very many cards; the phone shows the newest. */
const SHOWN_HISTORY = 200;

const form = /** @type {HTMLFormElement} */ (byId('form'));
const input = /** @type {HTMLInputElement} */ (byId('input'));
const hops = new Hops(byId('hops'));
const inbox = new Inbox(
  { list: byId('cards'), empty: byId('empty'), badge: byId('unread'), live: byId('live') }, openFromCard);

/** @type {api.Seed} */
let seed;
/** @type {{appid: string, openid: string}} */
let owner;
/** @type {ReturnType<typeof api.user>} */
let user;
/** The template of the button that asks for a subscription. @type {{id: string, title?: string}} */
let subscription;
let hasBackend = false;
/** The back end's name for this user; the openid and the session_key stay with the back end. */
let session = '';

document.documentElement.classList.toggle('framed', who.isFramed);
applyTexts();
for (const button of document.querySelectorAll('[data-lang-switch]')) {
  button.addEventListener('click', () => {
    setLang(lang() === 'zh' ? 'en' : 'zh');
    hops.draw();
    inbox.retranslate();
    showKept();
  });
}
form.addEventListener('submit', (event) => {
  event.preventDefault();
  run('form', submit);
});
form.addEventListener('reset', () => { byId('result').hidden = true; });
byId('pay').addEventListener('click', () => run('payment', pay));
byId('subscribe').addEventListener('click', () => run('subscribe', subscribe));
byId('forget').addEventListener('click', () => { localStorage.removeItem(keptName()); showKept(); });
byId('back-to-chat').addEventListener('click', () => {
  byId('screen').classList.remove('mini-full');
  byId('back-to-chat').hidden = byId('opened').hidden = true;
  byId('mini-path').textContent = 'pages/index/index';
  inbox.scrollToEnd(false);
});
start().catch(showError);

async function start() {
  startClock(byId('clock')).catch(showError);
  const [config, found, { apps }] = await Promise.all([api.config(), api.seed(), api.overview()]);
  seed = found;
  owner = who.named(seed);
  nameLandmarks();
  const isSeedsApp = owner.appid === seed.appid;
  // The back end is the back end of one app.
  hasBackend = config.backend && isSeedsApp;
  user = api.user(owner.appid, owner.openid);
  const templates = apps.find(({ appid }) => appid === owner.appid)?.templates ?? [];
  const once = templates.find(({ template_id: id }) => id === seed.subscribe_template)
    ?? templates.find(({ family }) => family === 'once');
  subscription = { id: once?.template_id ?? seed.subscribe_template, title: once?.title };
  if (!isSeedsApp) setAppName(owner.appid);
  who.offer(apps, owner, showError);
  byId('no-backend').hidden = hasBackend || (config.backend && !isSeedsApp);
  byId('no-backend-of-app').hidden = !(config.backend && !isSeedsApp);
  showKept();
  listen();
  for (const card of (await user.inbox()).slice(-SHOWN_HISTORY)) inbox.add(card, false);
  if (hasBackend) await login();
}

/** Several phones on one page: their landmarks are told apart by the user. */
function nameLandmarks() {
  byId('phone').setAttribute('aria-label', owner.openid);
  if (!who.isFramed) return;
  for (const section of ['chat', 'mini']) byId(section).removeAttribute('aria-labelledby');
  byId('cards').removeAttribute('data-i18n-label');
  byId('cards').setAttribute('aria-label', `${t('cards_label')} ${owner.openid}`);
}

/** Cards come by server-sent events; after a lost connection the inbox tells what was missed. */
function listen() {
  const events = user.events();
  let lost = false;
  events.addEventListener('message', (event) => {
    if (inbox.add(JSON.parse(event.data), true)) hops.arrived();
  });
  const again = async () => {
    inbox.clear();
    for (const card of (await user.inbox()).slice(-SHOWN_HISTORY)) inbox.add(card, false);
  };
  events.addEventListener('deleted', () => again().catch(showError));
  events.addEventListener('reset', () => again().catch(showError));
  events.addEventListener('clock', (event) => setNow(JSON.parse(event.data).now));
  events.addEventListener('error', () => {
    if (!lost) toast(t('live_lost'), { done: false });
    lost = true;
  });
  events.addEventListener('open', async () => {
    if (!lost) return;
    lost = false;
    toast(t('live_connected'));
    for (const card of (await user.inbox()).slice(-SHOWN_HISTORY)) inbox.add(card, true);
  });
}

/** The tutorial's `wx.login`: the code goes to the back end, which answers with a session of its own. */
async function login() {
  hops.going('login');
  const { code } = await user.login();
  hops.passed('login', code);
  hops.going('session');
  ({ session } = await api.backend('/onLogin', { code }));
  hops.passed('session', 'session ✓');
}

/**
 * Asks the back end as this user; logs in first, or once more if the back end has forgotten the session.
 * @param {string} path
 * @param {Record<string, unknown>} body
 */
async function ask(path, body) {
  if (!session) await login();
  try {
    return await api.backend(path, { ...body, session });
  } catch (error) {
    if (!(error instanceof api.ApiError) || error.status !== 401) throw error;
    await login();
    return api.backend(path, { ...body, session });
  }
}

/** Hands text and right to the back end, which sends. @param {string} path @param {Record<string, unknown>} body */
async function send(path, body) {
  hops.going('backend');
  const { id, state } = await ask(path, body);
  hops.passed('backend');
  hops.passed('gateway', `${id} ${state}`);
  hops.going('wechat');
}

/** One tap at a time: buttons rest until the answer is there. @param {import('./hops.js').Way} way @param {() => Promise<void>} tap */
async function run(way, tap) {
  const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (form.querySelectorAll('button'));
  for (const button of buttons) button.disabled = true;
  byId('result').hidden = byId('alert').hidden = true;
  hops.begin(way);
  try {
    await tap();
  } catch (error) {
    hops.broke();
    showError(error);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

async function submit() {
  const { form_id: formId } = await user.form();
  hops.passed('right', formId);
  if (!hasBackend) return showGot('form_id', formId);
  await send('/template', { input: text(), formId });
  toast(t('sent'));
}

async function pay() {
  const { prepay_id: prepayId } = await user.pay();
  hops.passed('right', prepayId);
  if (!hasBackend) return showGot('prepay_id', prepayId);
  await send('/template', { input: text(), prepayId });
  toast(t('paid'));
}

async function subscribe() {
  const { id: template, title = t('default_subscription') } = subscription;
  const kept = localStorage.getItem(keptName());
  const answer = kept ? { result: kept, keep: true } : await askSubscription(title);
  if (!answer) {
    hops.broke();
    return toast(t('dismissed'), { done: false });
  }
  if (answer.keep) localStorage.setItem(keptName(), answer.result);
  showKept();
  const { result } = answer;
  await user.subscribe(template, result);
  if (result !== 'accept') {
    hops.broke();
    if (hasBackend) await ask('/subscribe', { template, result });
    return toast(t('rejected'), { done: false });
  }
  hops.passed('right', 'accept');
  if (!hasBackend) return showGot('requestSubscribeMessage', result);
  await send('/subscribe', { template, result, input: input.value.trim() });
  toast(t('allowed'));
}

/** What the user typed; without anything, what the empty field proposes. */
function text() {
  return input.value.trim() || input.placeholder;
}

/** @param {string} name @param {string} value */
function showGot(name, value) {
  byId('result-label').textContent = `${t('got')} ${name}`;
  byId('result-value').textContent = value;
  byId('result-note').textContent = t('not_sent_note');
  byId('result').hidden = false;
  byId('result').scrollIntoView({ block: 'nearest' });
}

/** A tap on a card opens the page that the message named, over the whole screen. @param {api.Card} card */
function openFromCard(card) {
  const [path, query = ''] = (card.page ?? '').split('?');
  byId('mini-path').textContent = path;
  byId('opened-path').textContent = path;
  const pairs = [...new URLSearchParams(query)].map(([name, value]) => {
    const code = document.createElement('code');
    code.textContent = `${name} = ${value}`;
    return code;
  });
  byId('opened-query').replaceChildren(...(pairs.length ? pairs : [t('no_query')]));
  byId('opened').hidden = byId('back-to-chat').hidden = false;
  byId('screen').classList.add('mini-full');
  byId('back-to-chat').focus({ preventScroll: true });
}

/** Where "always keep the above choice" is remembered. */
function keptName() {
  return `hongyan.phone.kept.${owner.appid}.${owner.openid}.${subscription.id}`;
}

function showKept() {
  const kept = owner && localStorage.getItem(keptName());
  byId('kept').hidden = !kept;
  if (kept) byId('kept-text').textContent = t(kept === 'accept' ? 'kept_accept' : 'kept_reject');
}
