// The second factor in a real browser: set up with the QR page, asked for at the login, taken away. Against a running demo.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { faults, fillLogin, gateway, inBrowser, launch, LOOKS, person } from './console.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {import('playwright-core').Browser} */
let browser;

before(async () => { browser = await launch(); });
after(() => browser?.close());

/** The step of thirty seconds in which we are. */
const now = () => Math.floor(Date.now() / 30_000);

/** What an authenticator app shows (RFC 6238). @param {string} secret in base 32 @param {number} step */
function codeOf(secret, step) {
  const bits = [...secret].map((char) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const hash = createHmac('sha1', key).update(counter).digest();
  const offset = hash[hash.length - 1] & 15;
  return String((hash.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** A code that no step near now has. @param {string} secret */
function wrongCode(secret) {
  const near = new Set([-2, -1, 0, 1, 2].map((step) => codeOf(secret, now() + step)));
  return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !near.has(code)) ?? assert.fail();
}

/** Opens the page with the QR code. @param {Page} page @param {string} password @returns {Promise<string>} the secret */
async function setUp(page, password) {
  await page.goto(`${gateway}/console/account`);
  const form = page.locator('form[action="/console/account/factor"]');
  for (const box of await form.locator('input[type=password]').all()) await box.fill(password);
  await form.locator('button').click();
  return (await page.locator('#secret').textContent() ?? '').trim();
}

test('a second factor is set up with the page of the QR code, asked for at the login, and taken away', async () => {
  const someone = await person('operator');
  let secret = '';
  await inBrowser(browser, someone, async (page) => {
    secret = await setUp(page, someone.password);
    assert.match(secret, /^[A-Z2-7]{32}$/);
    const picture = await page.getByRole('img', { name: 'QR code of the secret' }).boundingBox();
    assert.ok(picture && picture.width >= 180 && picture.width === picture.height, 'a camera can read it');
    await page.getByText(`secret=${secret}`).waitFor();
    await page.getByLabel('Code', { exact: true }).fill(wrongCode(secret));
    await page.getByRole('button', { name: 'Confirm and turn on' }).click();
    await page.getByRole('alert').getByText('The code is wrong.').waitFor();
    assert.equal((await page.locator('#secret').textContent() ?? '').trim(), secret, 'the secret is still the same');

    // Each code works once. A phone's clock may be wrong by one step, so three codes are good now. An app shows them in two groups.
    const step = now();
    await page.getByLabel('Code', { exact: true }).fill(codeOf(secret, step - 1).replace(/^(...)/, '$1 '));
    await page.getByRole('button', { name: 'Confirm and turn on' }).click();
    await page.getByText('The second factor is on.').waitFor();
    assert.equal(await page.getByText(secret).count(), 0, 'the secret is shown once');
    await page.getByRole('button', { name: 'Log out', exact: true }).click();

    await page.goto(`${gateway}/console/messages?state=failed`);
    await fillLogin(page, someone);
    const code = page.getByLabel('The code that your authenticator app shows');
    for (const refused of [wrongCode(secret), codeOf(secret, step - 1)]) {
      await code.fill(refused);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('alert').getByText('The code is wrong, or was used before.').waitFor();
    }
    await page.goto(`${gateway}/console/messages`);
    await page.getByRole('heading', { name: 'Log in to the Hongyan console' }).waitFor();
    await page.goto(`${gateway}/console/login?next=%2Fconsole%2Fmessages%3Fstate%3Dfailed`);
    await fillLogin(page, someone);
    await code.fill(codeOf(secret, step));
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: 'Messages' }).waitFor();
    assert.equal(page.url(), `${gateway}/console/messages?state=failed`, 'the login leads back');

    await page.goto(`${gateway}/console/account`);
    const form = page.locator('form[action="/console/account/factor/remove"]');
    const takeAway = async (/** @type {string} */ password) => {
      await form.locator('input[type=password]').fill(password);
      for (const box of await form.locator('input[name=code]').all()) await box.fill(codeOf(secret, step + 1));
      await form.getByRole('button').click();
    };
    await takeAway('not the password');
    assert.match(await page.getByRole('alert').textContent() ?? '', /password/);
    await takeAway(someone.password);
    await page.getByText('The second factor is taken away.').waitFor();
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    await fillLogin(page, someone);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
  });
});

for (const [colorScheme, width, lang] of LOOKS) {
  test(`the pages of the second factor are good to read: ${colorScheme}, ${width} px, ${lang}`, async () => {
    const someone = await person('viewer');
    await inBrowser(browser, someone, async (page) => {
      await page.goto(`${gateway}/console/account?lang=${lang}`);
      const secret = await setUp(page, someone.password);
      assert.equal(await page.locator('html').getAttribute('lang'), lang === 'zh' ? 'zh-CN' : 'en');
      assert.deepEqual(await faults(page), [], 'the page with the QR code');
      await page.locator('#code').fill(wrongCode(secret));
      await page.locator('form[action="/console/account/factor/confirm"] button').click();
      assert.deepEqual(await faults(page), [], 'after a wrong code');
      await page.locator('#code').fill(codeOf(secret, now()));
      await page.locator('form[action="/console/account/factor/confirm"] button').click();
      assert.deepEqual(await faults(page), [], 'the account with a second factor');
      await page.locator('form[action="/console/logout"] button').click();
      await page.locator('#name').fill(someone.name);
      await page.locator('#password').fill(someone.password);
      await page.locator('form[action="/console/login"] button').click();
      await page.locator('form[action="/console/login/code"]').waitFor();
      assert.equal(await page.locator('html').getAttribute('lang'), lang === 'zh' ? 'zh-CN' : 'en');
      assert.deepEqual(await faults(page), [], 'the login that asks for a code');
    }, { colorScheme, viewport: { width, height: 900 } });
  });
}
