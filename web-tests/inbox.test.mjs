// The sandbox's inbox and its other pages in a real browser, against a running sandbox.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { accessible, fits, launch, onPage } from './browser.mjs';
import { ask, sandbox, who } from './environment.mjs';

/** The requirement: from WeChat's answer to the card on the page. */
const CARD_WITHIN_MILLIS = 300;

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** Another app with one user, who takes any number of messages. */
async function newApp() {
  const app = await ask('/_sandbox/apps', {});
  const { openid } = await ask('/_sandbox/users', { appid: app.appid });
  await ask('/_sandbox/subscriptions', { appid: app.appid, openid, template_id: app.subscribe_template, count: 1000 });
  const token = await ask(`/cgi-bin/token?grant_type=client_credential&appid=${app.appid}&secret=${app.app_secret}`);
  return { ...app, openid, token: token.access_token };
}

/** Sends a subscribe message; returns when WeChat has answered. @param {any} app @param {string} text @param {object} [more] */
async function send(app, text, more = {}) {
  const answer = await ask(`/cgi-bin/message/subscribe/send?access_token=${app.token}`, {
    touser: app.openid, template_id: app.subscribe_template, page: 'pages/index/index?from=card',
    data: { thing1: { value: text }, date2: { value: '2026年5月1日 09:30' }, amount3: { value: '￥18.00' } }, ...more,
  });
  assert.equal(answer.errcode, 0, JSON.stringify(answer));
}

const someText = () => `Latte ${randomUUID().slice(0, 8)}`;
/** @param {import('playwright-core').Page} page @param {string} text */
const rows = (page, text) => page.locator('tr[data-card]').filter({ hasText: text });

test('a card stands in the inbox 300 ms after the answer, without a reload', () => onPage(browser, '/inbox', async (page) => {
  const app = await newApp();
  await page.locator('[data-live-sign][data-on]').waitFor();
  await page.evaluate(() => { /** @type {any} */ (window).isSamePage = true; });
  const text = someText();
  await send(app, text);
  await rows(page, text).waitFor({ timeout: CARD_WITHIN_MILLIS });
  assert.equal(await page.evaluate(() => /** @type {any} */ (window).isSamePage), true);
  assert.equal(await page.locator('tr[data-card]').first().locator('.summary').textContent().then((shown) => shown?.includes(text)), true);
}));

test('search and filters find cards, also of what comes later', () => onPage(browser, '/inbox', async (page) => {
  const [one, other] = [await newApp(), await newApp()];
  const [first, second] = [someText(), someText()];
  await send(one, first);
  await send(other, second);
  await rows(page, second).waitFor();

  for (const sought of [first.toUpperCase(), one.openid, one.appid, one.subscribe_template, `18.00 ${first}`]) {
    await page.getByRole('searchbox').fill(sought);
    await page.getByRole('searchbox').press('Enter');
    await rows(page, first).waitFor();
    assert.equal(await page.locator('tr[data-card]').count(), 1, sought);
  }
  await page.getByRole('searchbox').fill(`no card has ${randomUUID()}`);
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByText('No card matches.').waitFor();
  await page.locator('.empty').getByText('“no card has').waitFor();

  await page.goto(`${sandbox}/inbox`);
  await page.getByLabel('App').selectOption(other.appid);
  await rows(page, second).waitFor();
  assert.equal(await rows(page, first).count(), 0);
  await page.locator('[data-live-sign][data-on]').waitFor();
  const later = someText();
  await send(one, someText());
  await send(other, later);
  await rows(page, later).waitFor();
  assert.equal(await page.locator('tr[data-card]').count(), 2);

  await page.getByLabel('Kind').selectOption('legacy');
  await page.getByText('No card matches.').waitFor();
  await page.goto(`${sandbox}/inbox`);
  await rows(page, first).getByRole('link', { name: one.openid }).click();
  await rows(page, first).waitFor();
  assert.equal(await rows(page, second).count(), 0);
  assert.equal(await page.getByLabel('User').inputValue(), one.openid);
}));

test('a card has a page of its own, whose link shows the card, the request without its token, and the complaints', async () => {
  const app = await newApp();
  const text = someText();
  await send(app, text, { page: '/pages/index/index', made_up: 1 });
  let link = '';
  await onPage(browser, '/inbox', async (page) => {
    assert.match(await rows(page, text).textContent() ?? '', /2 complaints/);
    await rows(page, text).getByRole('link').first().click();
    await page.getByText('leading_slash').waitFor();
    link = new URL(page.url()).pathname;
  });
  await onPage(browser, link, async (page) => {
    await page.locator('.wx').filter({ hasText: text }).waitFor();
    const request = await page.locator('#request').textContent() ?? '';
    assert.ok(request.includes('POST /cgi-bin/message/subscribe/send?access_token=…'), request);
    assert.ok(request.includes(`"touser":"${app.openid}"`), request);
    assert.ok(!request.includes(app.token), request);
    await page.getByText('unknown_member').waitFor();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.waitForURL(`${sandbox}/inbox`);
    assert.equal((await page.request.get(sandbox + link)).status(), 404);
  });
});

test('one card is deleted, then what was found; other pages and other cards stay in step', () => onPage(browser, '/inbox', async (page) => {
  const app = await newApp();
  const [one, two, three] = [someText(), someText(), someText()];
  for (const text of [one, two, three]) await send(app, text);
  await page.goto(`${sandbox}/inbox?appid=${app.appid}`);
  const beside = await page.context().newPage();
  await beside.goto(`${sandbox}/inbox`);
  await beside.locator('[data-live-sign][data-on]').waitFor();
  await rows(page, two).getByRole('button').click();
  await rows(page, one).waitFor();
  assert.equal(await rows(page, two).count(), 0);
  await rows(beside, two).waitFor({ state: 'detached' });
  page.once('dialog', (dialog) => dialog.accept());
  await page.getByRole('button', { name: 'Delete what was found' }).click();
  await page.waitForURL(`${sandbox}/inbox`);
  await rows(beside, one).waitFor({ state: 'detached' });
  const left = await ask(`/_sandbox/inbox?appid=${app.appid}`);
  assert.deepEqual(left, []);
}));

test('without script the inbox shows, searches and deletes', async () => {
  const app = await newApp();
  const [text, more] = [someText(), someText()];
  await send(app, text);
  await send(app, more);
  await onPage(browser, `/inbox?q=${encodeURIComponent(text)}`, async (page) => {
    assert.equal(await page.locator('tr[data-card]').count(), 1);
    await rows(page, text).getByRole('button').click();
    await page.getByText('No card matches.').waitFor();
    await page.getByRole('searchbox').fill(more);
    await page.getByRole('button', { name: 'Search' }).click();
    await rows(page, more).getByRole('link').first().click();
    await page.locator('.wx').filter({ hasText: more }).waitFor();
  }, { javaScriptEnabled: false });
});

test('many cards stand on several pages', () => onPage(browser, '/inbox', async (page) => {
  const app = await newApp();
  for (let n = 0; n < 60; n += 1) await send(app, `Latte ${n}`);
  await page.goto(`${sandbox}/inbox?appid=${app.appid}`);
  assert.equal(await page.locator('tr[data-card]').count(), 50);
  await page.getByRole('link', { name: 'Older' }).click();
  await rows(page, 'Latte 9 ').waitFor();
  assert.equal(await page.locator('tr[data-card]').count(), 10);
  await page.getByRole('link', { name: 'Newest' }).click();
  await rows(page, 'Latte 59 ').waitFor();
}));

test('the phone shows any user of any app, and phones stand side by side', () => onPage(browser, '/phone', async (page) => {
  const app = await newApp();
  const text = someText();
  await send(app, text);
  await page.goto(`${sandbox}/phone`);
  await page.locator('#choose-app').selectOption(app.appid);
  await page.locator('.card').filter({ hasText: text }).waitFor();
  assert.equal(new URL(page.url()).searchParams.get('openid'), app.openid);
  await page.locator('#new-user').click();
  await page.waitForURL((url) => url.searchParams.get('openid') !== app.openid);
  await page.locator('#to-phones').click();
  const two = await ask('/_sandbox/users', { appid: app.appid });
  const names = [app.openid, two.openid, who.openid].map((openid) => `${openid === who.openid ? who.appid : app.appid} ${openid}`);
  await page.goto(`${sandbox}/phones?${new URLSearchParams(names.map((name) => ['phone', name]))}&lang=zh`);
  assert.equal(await page.locator('iframe').count(), 3);
  const phone = page.frameLocator('iframe').first();
  await phone.locator('.card').filter({ hasText: text }).waitFor();
  assert.equal(await phone.locator('#chat-title').textContent(), '服务通知');
  assert.equal(await phone.locator('#panel').isVisible(), false);
  const later = someText();
  await send(app, later);
  await phone.locator('.card').filter({ hasText: later }).waitFor();
  await ask(`/_sandbox/inbox?appid=${app.appid}`, undefined, 'DELETE');
  await phone.locator('#empty').waitFor();
  await page.getByRole('link', { name: '移走' }).first().click();
  await page.waitForFunction(() => document.querySelectorAll('iframe').length === 2);
}));

for (const lang of ['zh', 'en']) {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    test(`axe finds nothing and nothing overflows: ${lang}, ${colorScheme}`, async () => {
      const app = await newApp();
      await send(app, someText(), { page: '/pages/index/index' });
      const [card] = await ask(`/_sandbox/inbox?appid=${app.appid}`);
      for (const path of ['/', '/inbox', '/inbox?q=nothing-has-this-text', `/inbox/${card.id}`, '/phone', `/phones?phone=${who.appid}+${who.openid}&phone=${app.appid}+${app.openid}`]) {
        for (const width of [1280, 1024, 360]) {
          await onPage(browser, path, async (page) => {
            if (path === '/phone') await page.locator('.statusbar').waitFor();
            if (path.startsWith('/phone')) await page.waitForLoadState('networkidle').catch(() => undefined);
            await fits(page);
            await accessible(page, `${path} ${width}`);
            if (process.env.HONGYAN_PICTURES) {
              const name = `${path.replace(/[^a-z]+/g, '-')}-${width}-${lang}-${colorScheme}.png`;
              await page.screenshot({ path: `${process.env.HONGYAN_PICTURES}/page${name}`, fullPage: path !== '/' });
            }
          }, { viewport: { width, height: 860 }, colorScheme, locale: lang === 'zh' ? 'zh-CN' : 'en-GB' });
        }
      }
    });
  }
}
