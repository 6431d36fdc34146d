// The site of the docs and the pages about calls in a real browser, at the gateway and at the sandbox, against a running demo.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { onPage } from './browser.mjs';
import { faults, gateway, inBrowser, launch, LOOKS } from './console.mjs';

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

/** Pages of each form: the start, tables, code, pictures, anchors, English only, calls, a search, nothing. */
const PAGES = [
  '', 'api', 'console', 'errcodes', 'benchmarks', 'reliability', 'architecture', 'decisions', 'reference/gateway',
  'reference/gateway/messages', 'reference/gateway/events', 'reference/sandbox/calls', 'search?q=43101', 'search', 'nothing',
];

/** Where pictures of the pages are saved, if they are wanted. */
const PICTURES = process.env.HONGYAN_PICTURES;

for (const [colorScheme, width, lang] of LOOKS) {
  test(`every page is good to read: ${colorScheme}, ${width} px, ${lang}`, () => inBrowser(browser, null, async (page) => {
    for (const name of PAGES) {
      const path = `/docs/${lang}/${name}`;
      await page.goto(gateway + path);
      assert.equal(await page.locator('html').getAttribute('lang'), lang === 'zh' ? 'zh-CN' : 'en', path);
      if (PICTURES) {
        mkdirSync(PICTURES, { recursive: true });
        await page.screenshot({ path: `${PICTURES}/docs-${name.replace(/\W+/g, '-')}-${width}-${lang}-${colorScheme}.png` });
      }
      assert.deepEqual(await faults(page), [], `${path} ${width}`);
    }
  }, { viewport: { width, height: 900 }, colorScheme }));
}

test('a reader begins at the front page, in their own language, and changes it on any page', () => inBrowser(browser, null, async (page) => {
  await page.goto(gateway);
  await page.locator('.doors').getByRole('link', { name: '文档' }).click();
  await page.waitForURL(`${gateway}/docs/zh/`);
  await page.locator('.contents').getByRole('link', { name: '模板' }).click();
  await page.waitForURL(`${gateway}/docs/zh/templates`);
  await page.getByRole('link', { name: 'English' }).click();
  await page.waitForURL(`${gateway}/docs/en/templates?lang=en`);
  await page.goto(`${gateway}/docs`);
  await page.waitForURL(`${gateway}/docs/en/`);
}, { locale: 'zh-CN' }));

for (const javaScriptEnabled of [true, false]) {
  test(`Chinese and English words are found, ${javaScriptEnabled ? 'while one types' : 'also without script'}`, () => inBrowser(browser, null, async (page) => {
    for (const [lang, words] of /** @type {const} */ ([['zh', ['额度', '模板', '幂等']], ['en', ['permit', 'templates', 'idempotency']]])) {
      for (const word of words) {
        await page.goto(`${gateway}/docs/${lang}/`);
        await page.keyboard.press('/');
        const box = page.getByRole('searchbox');
        if (!javaScriptEnabled) await box.focus();
        await box.fill(word);
        await box.press('Enter');
        await page.waitForURL(/search\?q=/);
        const first = page.locator('.found li').first();
        assert.ok((await first.textContent())?.toLowerCase().includes(word.replace(/s$/, '')), word);
        if (javaScriptEnabled) {
          await box.fill('43101');
          await page.locator('.found mark', { hasText: '43101' }).first().waitFor();
          await page.waitForURL(/q=43101/);
        }
        await page.locator('.found a').first().click();
        await page.waitForURL((url) => !url.pathname.endsWith('/search'));
        assert.ok(await page.locator('h1').isVisible());
      }
    }
  }, { javaScriptEnabled }));
}

test('on a phone the contents open over the page, without script, and lead on', () => inBrowser(browser, null, async (page) => {
  await page.goto(`${gateway}/docs/en/api`);
  const list = page.locator('.contents');
  assert.equal(await list.isVisible(), false);
  await page.getByRole('button', { name: 'Contents' }).click();
  await list.getByRole('link', { name: 'Operations' }).click();
  await page.waitForURL(`${gateway}/docs/en/operations`);
  assert.equal(await list.isVisible(), false);
}, { viewport: { width: 360, height: 700 }, javaScriptEnabled: false }));

test('a call is found by a word, and shows its members, an example and its answers', () => inBrowser(browser, null, async (page) => {
  await page.goto(`${gateway}/docs/en/reference/gateway`);
  await page.getByLabel('A call, a parameter or a field').fill('collapse_key');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByRole('link', { name: 'POST /v1/messages', exact: true }).click();
  await page.waitForURL(/reference\/gateway\/messages#send_messages/);
  const call = page.locator('#send_messages');
  assert.ok(await call.getByText('collapse_key', { exact: true }).first().isVisible());
  assert.match(await call.locator('pre').first().innerText(), /^curl -s -X POST "\$GATEWAY\/v1\/messages" \\\n/);
  await call.getByText('202', { exact: true }).click();
  assert.ok(await call.getByText('AcceptedMessage', { exact: true }).first().isVisible());
}));

test('the sandbox has the same docs, and its own calls', () => onPage(browser, '/', async (page) => {
  await page.locator('.doors').getByRole('link', { name: 'own calls' }).click();
  await page.waitForURL(/\/docs\/en\/reference\/sandbox/);
  await page.getByRole('link', { name: 'POST /_sandbox/login', exact: true }).click();
  assert.match(await page.locator('#post_sandbox_login pre').first().innerText(), /\$SANDBOX\/_sandbox\/login/);
  assert.deepEqual(await faults(page), []);
}));
