// What happened to one message, messages as a file, and texts from outside, in a real browser. Against a running demo.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { api, appWithEvents, fresh, gateway, inBrowser, launch, newUser, person, template, withReceiver } from './console.mjs';
import { ask, who } from './environment.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {import('./console.mjs').Person} */
let viewer;
/** @type {import('./console.mjs').Person} */
let operator;

before(async () => {
  browser = await launch();
  viewer = await person('viewer');
  operator = await person('operator');
});
after(() => browser?.close());

const data = { thing1: '拿铁咖啡 Latte', date2: '2026-05-01', amount3: '¥18.00' };

test('the page of a message tells everything that happened to it', () => withReceiver(async (url) => {
  const { appid, template: once } = await appWithEvents();
  const { openid } = await ask('/_sandbox/users', { appid });
  const hook = await api('/v1/webhooks', { url, apps: [appid], types: ['message.sent', 'message.delivered'] });
  try {
    const message = { app: appid, to: openid, template: once, data, permit: 'wait', collapse_key: 'queue' };
    const older = await api('/v1/messages', { ...message, reference: 'older' });
    const newer = await api('/v1/messages', { ...message, reference: 'newer' });
    await inBrowser(browser, viewer, async (page) => {
      await page.goto(`${gateway}/console/messages/${newer.id}`);
      await page.getByRole('heading', { name: 'waiting: no permit' }).waitFor();
      const line = page.locator('[data-part=line] li');
      assert.equal(await line.first().locator('strong').textContent(), 'Accepted');

      // WeChat tells the gateway that the user allows one message. The page follows by itself.
      await ask('/_sandbox/subscriptions', { appid, openid, template_id: once, result: 'accept' });
      await page.locator('[data-part=line] .s.ok', { hasText: 'delivered' }).waitFor();
      // Another webhook of the demo may hear of all apps.
      const deliveries = line.filter({ has: page.locator(`a[href="/console/webhooks/${hook.id}"]`) });
      await deliveries.filter({ hasText: 'A webhook was told: message.delivered' }).waitFor();
      await deliveries.filter({ hasText: 'A webhook was told: message.sent' }).waitFor();
      assert.match(await deliveries.first().textContent() ?? '', /200 .*tries: 1/s);
      const attempt = line.filter({ hasText: 'Request 1 to WeChat: WeChat answered 0' });
      await attempt.getByText('one-time subscription').waitFor();
      await attempt.getByText('It was chosen because').waitFor();
      await line.filter({ hasText: "WeChat's event subscribe_msg_sent_event" }).waitFor();

      await page.reload();
      const replaced = page.locator(`dd a[href="/console/messages/${older.id}"]`);
      assert.equal(await page.locator('dt', { hasText: /^Replaced$/ }).count(), 1);
      await replaced.click();
      await page.getByRole('heading', { name: 'cancelled: replaced' }).waitFor();
      await page.locator(`dd a[href="/console/messages/${newer.id}"]`).click();
      await page.waitForURL(`${gateway}/console/messages/${newer.id}`);
    });
  } finally {
    await api(`/v1/webhooks/${hook.id}`, undefined, 'DELETE');
    await api(`/v1/apps/${appid}`, undefined, 'DELETE');
  }
}));

/** The rows of a CSV file (RFC 4180). @param {string} text */
function rowsOf(text) {
  /** @type {string[][]} */
  const rows = [];
  let row = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end !== ',') {
      rows.push(row);
      row = [];
    }
  }
  return rows;
}

test('ten thousand messages are exported as CSV and as NDJSON, with a bar, and no cell is a formula', async () => {
  const COUNT = 10_000;
  const to = await newUser();
  const formulas = ['=1+1', '+86', '-1', '@SUM(A1)', '=HYPERLINK("http://evil.example","a")'];
  const mark = fresh('row');
  const message = (number) => ({ app: who.appid, to, template, data, reference: `${formulas[number % formulas.length]} ${mark} ${number}` });
  for (let from = 0; from < COUNT; from += 1000) {
    const messages = Array.from({ length: 1000 }, (_, number) => message(from + number));
    assert.equal((await api('/v1/messages', { messages })).accepted, 1000);
  }
  const list = `/console/messages?app=${who.appid}&to=${to}&state=failed`;
  await inBrowser(browser, viewer, async (page) => {
    await page.goto(gateway + list);
    // What is seen of the bar and of the count while the file comes.
    await page.evaluate(() => {
      const place = document.querySelector('[data-export]') ?? document.body;
      /** @type {[boolean, string][]} */
      const seen = [];
      Object.assign(window, { seen });
      new MutationObserver(() => seen.push([
        place.querySelector('progress')?.hidden === false, place.querySelector('[role=status]')?.textContent ?? '',
      ])).observe(place, { subtree: true, childList: true, attributes: true, characterData: true });
    });
    const coming = page.waitForEvent('download', { timeout: 60_000 });
    await page.getByRole('link', { name: 'CSV (Excel)' }).click();
    const file = await coming;
    await page.getByText('10,000 messages: the file is complete.').waitFor();
    assert.equal(await page.locator('[data-export] progress').isVisible(), false);
    /** @type {[boolean, string][]} */
    const seen = await page.evaluate(() => Reflect.get(window, 'seen'));
    assert.ok(seen.some(([isShown, text]) => isShown && /^[\d,]+ messages so far$/.test(text)), JSON.stringify(seen.slice(0, 20)));
    assert.match(file.suggestedFilename(), /^hongyan-messages-\d{4}-\d\d-\d\d\.csv$/);

    const [head, ...rows] = rowsOf(readFileSync(await file.path(), 'utf8'));
    assert.equal(head[0], '\ufeffid');
    assert.equal(rows.length, COUNT);
    const reference = head.indexOf('reference');
    const numbers = new Set(rows.map((row) => row[reference].split(' ').at(-1)));
    assert.equal(numbers.size, COUNT, 'each message once');
    for (const row of rows) {
      assert.equal(row.length, head.length);
      assert.equal(row[head.indexOf('to')], to);
      assert.match(row[reference], /^'[=+\-@]/);
      assert.equal(row.some((cell) => /^[=+\-@\t\r]/.test(cell)), false, row.join(' | '));
    }
  });
  // Without the script the link is a plain download.
  await inBrowser(browser, viewer, async (page) => {
    await page.goto(gateway + list);
    const coming = page.waitForEvent('download', { timeout: 60_000 });
    await page.getByRole('link', { name: 'NDJSON' }).click();
    const lines = readFileSync(await (await coming).path(), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.equal(lines.length, COUNT);
    assert.equal(new Set(lines.map(({ id }) => id)).size, COUNT);
    assert.ok(lines.every((line) => line.to === to && line.state === 'failed' && formulas.includes(line.reference.split(` ${mark}`)[0])));
  }, { javaScriptEnabled: false });
});

test('text of WeChat, of a webhook and of a caller is shown as text on every page', async () => {
  const evil = '<script>window.evil=1</script>';
  const image = '<img src=x>';
  await withReceiver(async (url) => {
    const { appid } = await appWithEvents();
    const { openid } = await ask('/_sandbox/users', { appid });
    const { template_id: own } = await ask('/_sandbox/templates', {
      appid, family: 'once', title: `${image} title`, content: `${image} label:{{thing1.DATA}}`,
    });
    await api(`/v1/apps/${appid}`, { name: evil }, 'PATCH');
    await api(`/v1/apps/${appid}/templates/sync`, undefined, 'POST');
    const hook = await api('/v1/webhooks', { url, apps: [appid], description: evil });
    const key = await api('/v1/keys', { name: evil, scopes: ['messages'], apps: [appid] });
    try {
      const message = { app: appid, to: openid, template: own, data: { thing1: image }, reference: evil, collapse_key: evil, page: `pages/a?b=${evil}` };
      const { id } = await api('/v1/messages?wait=10', message);
      await ask('/_sandbox/pushes', { appid, openid, body: { ToUserName: 'gh_1', FromUserName: openid, CreateTime: 1, MsgType: 'event', Event: evil, Text: image } });
      await ask(`/_sandbox/pushes?appid=${appid}&idle_within_ms=10000`);
      await inBrowser(browser, operator, async (page) => {
        const paths = ['', '/messages', `/messages?app=${appid}`, `/messages/${id}`, `/users/${appid}/${openid}`, '/apps', `/apps/${appid}`,
          `/apps/${appid}/templates/${own}`, `/reach?app=${appid}`, `/stats?app=${appid}`, `/events?app=${appid}`, '/webhooks',
          `/webhooks/${hook.id}`, '/nodes', '/audit'];
        for (const path of paths) {
          await page.goto(`${gateway}/console${path}`);
          assert.equal(await page.evaluate(() => Reflect.get(window, 'evil')), undefined, path);
          assert.equal(await page.locator('main script:not([src]), main img').count(), 0, path);
        }
        await page.goto(`${gateway}/console/messages/${id}`);
        await page.getByRole('heading', { name: `${image} title` }).first().waitFor();
        await page.goto(`${gateway}/console/events?app=${appid}`);
        await page.locator('td').getByText(evil).first().waitFor();
        await page.goto(`${gateway}/console/webhooks/${hook.id}`);
        await page.locator('[data-part=deliveries]').getByText(evil).first().waitFor();
      });
    } finally {
      await api(`/v1/keys/${key.id}`, undefined, 'DELETE');
      await api(`/v1/webhooks/${hook.id}`, undefined, 'DELETE');
      await api(`/v1/apps/${appid}`, undefined, 'DELETE');
    }
  }, { status: 500, text: evil });
});
