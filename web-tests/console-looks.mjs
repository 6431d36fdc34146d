// How all pages of the console look, to eyes, screen readers and keyboards: each page in both languages, light and dark,
// on a large and on a small screen. Against a running demo.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { admin, allow, api, gateway, inBrowser, launch, newUser, send, sendLater, template } from './console.mjs';
import { who } from './environment.mjs';

/** Where pictures of the pages are saved, if they are wanted. */
const PICTURES = process.env.HONGYAN_CONSOLE_PICTURES;

/** @type {import('playwright-core').Browser} */
let browser;
/** Pages that no link of the navigation leads to. @type {string[]} */
let paths;

before(async () => {
  browser = await launch();
  const openid = await newUser();
  for (let n = 0; n < 3; n += 1) {
    await allow(openid);
    await api('/v1/permits', { app: who.appid, openid, kind: 'subscribe_once', template });
  }
  const sent = await send(openid, { reference: 'order-1' });
  const failed = await send(await newUser(), { reference: 'order-2' });
  const later = await sendLater(openid, { reference: 'order-3' });
  const hook = await api('/v1/webhooks', { url: `${gateway}/nowhere` });
  paths = [
    ...[sent.id, failed.id, later.id].map((id) => `/console/messages/${id}`),
    '/console/messages?q=nothing-like-this',
    `/console/users/${who.appid}/${openid}`,
    `/console/apps/${who.appid}`,
    `/console/apps/${who.appid}/templates/${template}`,
    `/console/webhooks/${hook.id}`,
    '/console/account',
    '/console/there-is-no-such-page',
  ];
});
after(() => browser?.close());

/** @param {import('playwright-core').Page} page */
async function faults(page) {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { violations } = await Reflect.get(window, 'axe').run(document, { resultTypes: ['violations'] });
    const found = violations.map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.html.slice(0, 150)).join(' | ')}`);
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (wide > 0) found.push(`it is ${wide} px wider than the screen`);
    return found;
  });
}

/** Each value is seen together with each other one. @type {['light' | 'dark', number, string][]} */
const LOOKS = [['light', 1280, 'zh'], ['dark', 1280, 'en'], ['light', 360, 'en'], ['dark', 360, 'zh']];

for (const [colorScheme, width, lang] of LOOKS) {
  test(`every page is good to read: ${colorScheme}, ${width} px, ${lang}`, async () => {
    const look = async (/** @type {import('playwright-core').Page} */ page) => {
      await page.goto(`${gateway}/console/login?lang=${lang}`);
      const found = [[page.url(), await faults(page)]];
      await page.goto(`${gateway}/console`);
      const links = await page.locator('.nav li a').evaluateAll((all) => all.map((link) => link.getAttribute('href') ?? ''));
      for (const path of [...links, ...paths]) {
        await page.goto(gateway + path);
        assert.equal(await page.locator('html').getAttribute('lang'), lang === 'zh' ? 'zh-CN' : 'en');
        found.push([path, await faults(page)]);
        if (PICTURES) {
          mkdirSync(PICTURES, { recursive: true });
          const name = path.replace(/\W+/g, '-').replace(/^-/, '').slice(0, 60);
          await page.screenshot({ path: `${PICTURES}/${colorScheme}-${width}-${lang}-${name}.png`, fullPage: true });
        }
      }
      assert.deepEqual(found.filter(([, faults]) => faults.length), []);
    };
    await inBrowser(browser, await admin(), look, { colorScheme, viewport: { width, height: 900 } });
  });
}

test('the keyboard reaches the content, the search, and the way past the navigation', async () => {
  await inBrowser(browser, await admin(), async (page) => {
    const focused = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent?.trim());
    await page.goto(`${gateway}/console/messages`);
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'Skip to the content');
    assert.ok(await page.getByRole('link', { name: 'Skip to the content' }).isVisible());
    await page.keyboard.press('Enter');
    assert.equal(await focused(), 'content');
    const stops = [];
    while (stops.length < 12 && stops.at(-1) !== 'q') {
      await page.keyboard.press('Tab');
      stops.push(await focused());
    }
    assert.equal(stops.at(-1), 'q', `the search is among the first stops: ${stops}`);

    await page.goto(`${gateway}/console/messages`);
    await page.keyboard.press('/');
    assert.equal(await focused(), 'q');
    await page.keyboard.type('order/7');
    assert.equal(await page.locator('#q').inputValue(), 'order/7', 'a stroke in the box is a stroke');
  });
});
