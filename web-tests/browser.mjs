// A browser for the stories, and what every story of a page checks.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import axe from 'axe-core';
import { sandbox } from './environment.mjs';

export const launch = () => chromium.launch({
  executablePath: process.env.HONGYAN_CHROMIUM || '/usr/bin/chromium',
  // Root in a container has no sandbox of its own; the rest keeps the browser from calling anybody.
  args: ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

/**
 * Runs a story on a page of the sandbox. A script error, a refused resource or a request to another host fails the story.
 * @param {import('playwright-core').Browser} browser
 * @param {string} path
 * @param {(page: import('playwright-core').Page) => Promise<void>} story
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function onPage(browser, path, story, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en', ...options });
  const page = await context.newPage();
  /** @type {string[]} */
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  page.on('request', (request) => {
    if (new URL(request.url()).host !== new URL(sandbox).host && !request.url().startsWith('data:')) errors.push(`asked ${request.url()}`);
  });
  try {
    await page.goto(sandbox + path);
    await story(page);
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
  }
}

/** Fails if axe finds anything. @param {import('playwright-core').Page} page @param {string} about */
export async function accessible(page, about) {
  // Evaluated by the browser's debugger: the page's own policy lets no other script in.
  for (const frame of page.frames()) await frame.evaluate(axe.source);
  const { violations } = await page.evaluate(async () => /** @type {any} */ (window).axe.run(document, { resultTypes: ['violations'] }));
  const found = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${about}: ${id} at ${node.target.join(' ')}: ${node.failureSummary}`));
  assert.deepEqual(found, []);
}

/** Fails if the page is wider than the window, or if a table hides a column. @param {import('playwright-core').Page} page */
export async function fits(page) {
  const [wide, width] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide <= width, `the page is ${wide} pixels wide in a window of ${width}`);
  assert.deepEqual(await hiddenColumns(page), []);
}

/** The columns of tables that stand outside the place of their table, or whose text does not fit. @param {import('playwright-core').Page} page */
export const hiddenColumns = (page) => page.evaluate(() => {
  /** @type {string[]} */
  const found = [];
  for (const table of document.querySelectorAll('table')) {
    const place = table.parentElement?.getBoundingClientRect();
    for (const cell of table.querySelectorAll('th, td')) {
      const box = cell.getBoundingClientRect();
      // A header that only a screen reader sees has no room of its own.
      if (!place || box.width < 2 || getComputedStyle(/** @type {Element} */ (cell.closest('thead') ?? cell)).position === 'absolute') continue;
      const isOutside = box.right > place.right + 1 || box.left < place.left - 1;
      const isCut = cell.scrollWidth > cell.clientWidth + 1;
      if (isOutside || isCut) found.push(`${isCut ? 'does not fit' : 'is outside'}: ${cell.outerHTML.slice(0, 120)}`);
    }
  }
  return found;
});
