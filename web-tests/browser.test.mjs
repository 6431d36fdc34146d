// The phone in a real browser, against a running sandbox with a back end.

import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';
import { sandbox } from './environment.mjs';

/** The requirement: from the tap on Submit to the card that the user sees. */
const CARD_WITHIN_MILLIS = 2000;

/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser.close());

/**
 * Opens the phone and runs a story on it; a script error or a refused resource fails the story.
 * @param {string} lang
 * @param {(page: import('playwright-core').Page) => Promise<void>} story
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
async function onThePhone(lang, story, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 920 }, deviceScaleFactor: 2, ...options });
  const page = await context.newPage();
  /** @type {string[]} */
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  try {
    await page.goto(`${sandbox}/phone${lang && `?lang=${lang}`}`);
    await page.locator('[data-station=session].lit').waitFor();
    await story(page);
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
  }
}

const cards = (page, text) => page.locator('.card').filter({ hasText: text });

test('a submitted text is on a card within two seconds, and the card opens its page', () => onThePhone('zh', async (page) => {
  const text = `拿铁咖啡一杯，取餐号 A${randomInt(1000, 10000)}`;
  await page.locator('#input').fill(text);
  await page.locator('#submit').click();
  const card = cards(page, text);
  await card.waitFor({ timeout: CARD_WITHIN_MILLIS });
  assert.equal(await card.count(), 1);
  assert.equal(await page.locator('#unread').textContent(), '1');
  await page.locator('#toast').waitFor({ state: 'hidden' });
  assert.equal(await page.locator('#hops .lit').count(), await page.locator('#hops li').count());
  if (process.env.HONGYAN_SCREENSHOT) {
    // Taken when nothing moves any more, with the pointer away from the buttons.
    await page.mouse.move(5, 5);
    await page.screenshot({ path: process.env.HONGYAN_SCREENSHOT, animations: 'disabled' });
  }

  await card.click();
  await page.locator('#opened').waitFor();
  assert.equal(await page.locator('#opened-path').textContent(), 'pages/index/index');
  assert.equal(await page.locator('#opened-query').textContent(), 'from = card');
  assert.equal(await page.locator('#unread').isVisible(), false);
  await page.locator('#back-to-chat').click();
  assert.equal(await page.locator('#opened').isVisible(), false);
}));

test('cards are still there when the page is opened again, and are no longer new', () => onThePhone('en', async (page) => {
  const text = `kept ${randomUUID().slice(0, 8)}`;
  await page.locator('#input').fill(text);
  await page.locator('#submit').click();
  await cards(page, text).waitFor({ timeout: CARD_WITHIN_MILLIS });
  await page.reload();
  await cards(page, text).waitFor();
  assert.equal(await page.locator('#unread').isVisible(), false);
}));

test('Enter submits, Reset empties, and the keyboard alone opens a card', () => onThePhone('en', async (page) => {
  const text = `typed ${randomUUID().slice(0, 8)}`;
  await page.locator('#input').fill(text);
  await page.keyboard.press('Enter');
  await cards(page, text).waitFor({ timeout: CARD_WITHIN_MILLIS });
  await page.locator('#reset').click();
  assert.equal(await page.locator('#input').inputValue(), '');
  await cards(page, text).locator('.card-enter').focus();
  await page.keyboard.press('Enter');
  await page.locator('#opened').waitFor();
}));

test('a payment sends too', () => onThePhone('en', async (page) => {
  const text = `paid ${randomUUID().slice(0, 8)}`;
  await page.locator('#input').fill(text);
  await page.locator('#pay').click();
  await cards(page, text).waitFor({ timeout: CARD_WITHIN_MILLIS });
}));

test('allowing a subscription sends, refusing does not, and a kept choice is not asked again', () => onThePhone('en', async (page) => {
  const text = `thing ${randomUUID().slice(0, 8)}`;
  await page.locator('#input').fill(text);

  await page.locator('#subscribe').click();
  await page.locator('#reject').click();
  await page.locator('#toast').waitFor();
  assert.equal(await cards(page, text).count(), 0);

  await page.locator('#subscribe').click();
  await page.locator('#sheet').waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.id);
  const stops = [];
  for (let n = 0; n < 7; n += 1) {
    stops.push(await focused());
    await page.keyboard.press('Tab');
  }
  assert.deepEqual(stops, ['allow', 'keep', 'reject', 'allow', 'keep', 'reject', 'allow']);
  await page.keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'allow');
  await page.keyboard.press('Escape');
  await page.locator('#sheet').waitFor({ state: 'hidden' });
  await page.locator('#toast').waitFor();
  assert.equal(await page.locator('#toast-tick').isVisible(), false, 'nothing was done, so there is no tick');

  await page.locator('#subscribe').click();
  await page.locator('#keep').check();
  await page.locator('#allow').click();
  await cards(page, text).waitFor({ timeout: CARD_WITHIN_MILLIS });

  const again = `again ${randomUUID().slice(0, 8)}`;
  await page.locator('#input').fill(again);
  await page.locator('#subscribe').click();
  await cards(page, again).waitFor({ timeout: CARD_WITHIN_MILLIS });
  await page.locator('#forget').click();
  await page.locator('#subscribe').click();
  await page.locator('#sheet').waitFor();
}));

test('the language follows the browser, switches at a tap, and stays switched', () => onThePhone('', async (page) => {
  const title = page.locator('#chat-title');
  assert.equal(await title.textContent(), '服务通知');
  await page.locator('#lang').click();
  assert.equal(await title.textContent(), 'Service Notifications');
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  await page.reload();
  assert.equal(await title.textContent(), 'Service Notifications');
}, { locale: 'zh-CN' }));

test('on a small screen the phone is the screen', () => onThePhone('en', async (page) => {
  const box = await page.locator('#phone').boundingBox();
  assert.deepEqual(box && [box.width, box.height], [375, 667]);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(wide, 375);
}, { viewport: { width: 375, height: 667 } }));

test('the front page fits a small screen, is in one language and keeps the choice', async () => {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, locale: 'zh-CN' });
  const page = await context.newPage();
  try {
    await page.goto(`${sandbox}/`);
    assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    await page.getByRole('link', { name: 'English' }).click();
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    await page.goto(`${sandbox}/help`);
    assert.equal(await page.locator('html').getAttribute('lang'), 'en', 'the choice is kept');
    assert.equal(await page.locator('main').count(), 1);
    assert.deepEqual(await page.locator('th').evaluateAll((cells) => cells.filter((cell) => !cell.textContent?.trim())), []);
  } finally {
    await context.close();
  }
});

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) test(`every text of the phone can be read: 4.5 : 1, ${colorScheme}`, () => onThePhone('en', async (page) => {
  const ground = await page.evaluate(() => getComputedStyle(document.querySelector('#screen') ?? document.body).backgroundColor);
  assert.equal(ground, colorScheme === 'light' ? 'rgb(237, 237, 237)' : 'rgb(17, 17, 17)');
  const weak = await page.evaluate(() => {
    /** @param {string} color */
    const luminance = (color) => {
      const [r, g, b] = (color.match(/[\d.]+/g) ?? []).slice(0, 3).map((part) => {
        // A mixed colour is written in shares of one: color(srgb 0.6 0.7 0.8).
        const share = Number(part) / (color.startsWith('color(') ? 1 : 255);
        return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    document.getElementById('sheet')?.removeAttribute('hidden');
    document.getElementById('opened')?.removeAttribute('hidden');
    /** @type {string[]} */
    const found = [];
    for (const element of document.querySelectorAll('#phone *')) {
      const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim());
      if (!hasText || element.closest('[hidden], [aria-hidden=true]')) continue;
      /** @type {Element | null} */
      let ground = element;
      while (ground && /rgba\(.*, 0\)|transparent/.test(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
      if (!ground) continue;
      const [one, two] = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor].map(luminance);
      const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
      if (ratio < 4.5) found.push(`${element.id || element.className || element.tagName} ${ratio.toFixed(2)}`);
    }
    return found;
  });
  assert.deepEqual(weak, []);
}, { colorScheme }));
