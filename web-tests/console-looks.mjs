// How all pages of the console look, to eyes, screen readers and keyboards: each page in both languages, light and dark,
// on a large and on a small screen. Against a running demo.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { hiddenColumns } from './browser.mjs';
import { admin, allow, api, faults, gateway, inBrowser, launch, LOOKS, newUser, person, send, sendLater, template } from './console.mjs';
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

/** The addresses of all pages, those of the navigation first. @param {import('playwright-core').Page} page */
async function allPages(page) {
  await page.goto(`${gateway}/console`);
  const links = await page.locator('.nav li a').evaluateAll((all) => all.map((link) => link.getAttribute('href') ?? ''));
  return [...links, ...paths];
}

test('no table hides a column, from 1024 px up', () => admin().then((someone) => inBrowser(browser, someone, async (page) => {
  const found = [];
  for (const path of await allPages(page)) {
    for (const lang of ['en', 'zh']) {
      await page.goto(`${gateway}${path}${path.includes('?') ? '&' : '?'}lang=${lang}`);
      for (const width of [1024, 1180, 1280]) {
        await page.setViewportSize({ width, height: 900 });
        const hidden = await hiddenColumns(page);
        if (hidden.length) found.push([path, lang, width, hidden]);
      }
    }
  }
  assert.deepEqual(found, []);
})));

test('each page has a title of its own, and every stop of the keyboard is seen and in the order of the page', async () => {
  await inBrowser(browser, await admin(), async (page) => {
    const titles = new Set();
    const all = await allPages(page);
    for (const path of all) {
      await page.goto(gateway + path);
      titles.add(await page.title());
      assert.equal(await page.locator('h1').count(), 1, path);
      assert.deepEqual(await page.locator('[tabindex]:not([tabindex="0"], [tabindex="-1"])').count(), 0, path);
      const unseen = await page.evaluate(() => {
        const stops = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')];
        return stops.filter((stop) => {
          if (!(stop instanceof HTMLElement) || !stop.checkVisibility() || stop.matches(':disabled, [tabindex="-1"]')) return false;
          stop.focus({ focusVisible: true });
          const { outlineStyle, outlineWidth } = getComputedStyle(stop);
          const box = stop.getBoundingClientRect();
          return outlineStyle === 'none' || outlineWidth === '0px' || box.width < 1 || box.right < 0;
        }).map((stop) => stop.outerHTML.slice(0, 120));
      });
      assert.deepEqual(unseen, [], path);
    }
    // The three messages are of one template, and two of them may be in the same state.
    assert.ok(titles.size >= all.length - 3, [...titles].join('; '));
  });
});

test('a person who sees no app reads on every page why it is empty', async () => {
  const stranger = await person('operator', ['wx00000000000000ff']);
  for (const [colorScheme, width, lang] of LOOKS) {
    await inBrowser(browser, stranger, async (page) => {
      await page.goto(`${gateway}/console?lang=${lang}`);
      const links = await page.locator('.nav li a').evaluateAll((all) => all.map((link) => link.getAttribute('href') ?? ''));
      for (const path of links) {
        assert.equal((await page.goto(gateway + path))?.status(), 200, path);
        assert.deepEqual(await faults(page), [], path);
        if (PICTURES) await page.screenshot({ path: `${PICTURES}/empty-${colorScheme}-${width}-${lang}${path.replace(/\W+/g, '-')}.png`, fullPage: true });
      }
    }, { colorScheme, viewport: { width, height: 900 } });
  }
});

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
