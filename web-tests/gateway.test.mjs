// The gateway's own pages in a real browser, against a running demo: the front page, the errcodes, the problems, what is missing.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { accessible, fits } from './browser.mjs';
import { gateway, inBrowser, launch } from './console.mjs';

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

const PATHS = ['/', '/errcodes', '/errcodes?q=quota', '/errcodes?q=nothing-like-this', '/errcodes/43101', '/errcodes/12', '/problems', '/problems/not_found', '/robots.txt'];

/** Where pictures of the pages are saved, if they are wanted. */
const PICTURES = process.env.HONGYAN_PICTURES;

for (const lang of ['zh', 'en']) {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    for (const width of [1280, 360]) {
      test(`every page is good to read: ${colorScheme}, ${width} px, ${lang}`, () => inBrowser(browser, null, async (page) => {
        for (const path of PATHS) {
          await page.goto(gateway + path);
          assert.equal(await page.locator('html').getAttribute('lang'), lang === 'zh' ? 'zh-CN' : 'en', path);
          await fits(page);
          await accessible(page, `${path} ${width}`);
          if (PICTURES) {
            mkdirSync(PICTURES, { recursive: true });
            const name = path.replace(/\W+/g, '-').replace(/^-$/, '-front');
            await page.screenshot({ path: `${PICTURES}/gateway${name}-${width}-${lang}-${colorScheme}.png` });
          }
        }
      }, { viewport: { width, height: 900 }, colorScheme, locale: lang === 'zh' ? 'zh-CN' : 'en-GB' }));
    }
  }
}

test('the language that was chosen is kept over all links, also without script', async () => {
  for (const javaScriptEnabled of [true, false]) {
    await inBrowser(browser, null, async (page) => {
      const language = () => page.locator('html').getAttribute('lang');
      await page.goto(`${gateway}/errcodes?q=43101`);
      await page.getByRole('link', { name: '中文' }).click();
      assert.equal(await page.getByRole('searchbox').inputValue(), '43101');
      for (const name of ['错误类型', '首页', '错误码', '控制台']) {
        assert.equal(await language(), 'zh-CN', page.url());
        await page.locator('.nav').getByRole('link', { name }).click();
      }
      await page.waitForURL(/\/console\/login/);
      assert.equal(await language(), 'zh-CN');
    }, { javaScriptEnabled });
  }
});

test('an errcode is found by its number, by a word, and has a page of its own; nothing of it needs a script', () => inBrowser(browser, null, async (page) => {
  await page.goto(`${gateway}/errcodes`);
  for (const [sought, found] of [['43101', 'errcode-43101'], ['QUOTA  midnight', 'errcode-45009']]) {
    await page.getByRole('searchbox').fill(sought);
    await page.getByRole('button', { name: 'Find' }).click();
    await page.locator(`#${found}`).waitFor();
    assert.equal(await page.locator('#errcode-40001').count(), 0, sought);
  }
  await page.locator('#errcode-45009').getByRole('link', { name: 'Link to 45009' }).click();
  await page.waitForURL(`${gateway}/errcodes/45009`);
  assert.equal(await page.locator('.entry').count(), 1);
  await page.getByRole('link', { name: 'Show all' }).click();
  await page.locator('#errcode-40001').waitFor();
}, { javaScriptEnabled: false }));

test('the keyboard reaches the content and the search', () => inBrowser(browser, null, async (page) => {
  await page.goto(`${gateway}/errcodes`);
  const focused = () => page.evaluate(() => document.activeElement?.id);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  assert.equal(await focused(), 'content');
  await page.keyboard.press('/');
  assert.equal(await focused(), 'q');
  await page.keyboard.type('43101');
  await page.keyboard.press('Enter');
  await page.waitForURL(/q=43101/);
  await page.goto(`${gateway}/errcodes#errcode-40001`);
  assert.ok(await page.locator('#errcode-40001').isVisible());
}));
