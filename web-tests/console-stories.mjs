// The console in a real browser, by what people do there. Against a running demo.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  added, admin, allow, api, fillLogin, fresh, gateway, inBrowser, launch, newUser, person, send, sendLater, stateOf, template,
} from './console.mjs';
import { who } from './environment.mjs';

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

/** Goes to a page through the navigation. @param {Page} page @param {string} name */
const go = (page, name) => page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name, exact: true }).click();

/** @param {Page} page @param {string | RegExp} text */
const heading = (page, text) => page.getByRole('heading', { name: text }).first().waitFor();

test('an operator finds out why a user got nothing, grants a permit and sends again', async () => {
  const openid = await newUser();
  const reference = fresh('order');
  const failed = await send(openid, { reference });
  assert.equal(failed.state, 'failed');
  await allow(openid);

  await inBrowser(browser, null, async (page) => {
    await page.goto(`${gateway}/console`);
    await fillLogin(page, operator);
    await heading(page, 'Overview');
    await go(page, 'Messages');
    await page.getByRole('searchbox', { name: 'Search' }).fill(reference);
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('row', { name: reference }).getByRole('link').nth(1).click();
    await heading(page, 'failed: no permit');

    await page.getByRole('link', { name: "The user's permits" }).click();
    await page.getByText('No permits.').waitFor();
    const title = (await api(`/v1/apps/${who.appid}/templates/${template}`)).title;
    await page.getByLabel('Kind').selectOption({ label: 'one-time subscription' });
    await page.getByLabel('Template').selectOption({ label: title });
    await page.getByRole('button', { name: 'Grant a permit' }).click();
    await page.getByText('The permit is granted.').waitFor();

    await page.getByRole('row', { name: reference }).getByRole('link').first().click();
    await page.getByRole('button', { name: 'Send again' }).click();
    await page.getByText('This is the new message.').waitFor();
    await page.locator('[data-part=line] .s.ok').filter({ hasText: 'sent' }).waitFor();
    assert.match(page.url(), /\/console\/messages\/msg_/);
    const id = new URL(page.url()).pathname.split('/').at(-1) ?? '';
    assert.notEqual(id, failed.id, 'it is another message');
    assert.equal(await stateOf(id), 'sent');
  });
});

test('a viewer sees nothing to change, and a form sent by hand changes nothing', async () => {
  const openid = await newUser();
  const { id } = await sendLater(openid);
  await inBrowser(browser, viewer, async (page) => {
    await page.goto(`${gateway}/console`);
    const navigation = page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link');
    const paths = await navigation.evaluateAll((links) => links.map((link) => link.getAttribute('href') ?? ''));
    for (const hidden of ['/console/keys', '/console/people', '/console/audit']) assert.equal(paths.includes(hidden), false);
    paths.push(`/console/messages/${id}`, `/console/users/${who.appid}/${openid}`, `/console/apps/${who.appid}`,
      `/console/apps/${who.appid}/templates/${template}`);
    for (const path of paths) {
      await page.goto(gateway + path);
      const forms = await page.locator('form[method=post]').evaluateAll((all) => all.map((form) => form.getAttribute('action')));
      assert.deepEqual(forms, ['/console/logout'], path);
    }
    for (const path of ['/console/keys', '/console/people', '/console/audit']) {
      assert.equal((await page.goto(gateway + path))?.status(), 403, path);
      await heading(page, 'Your role does not allow this.');
    }
  });

  const forms = [
    [`/console/messages/${id}/cancel`, {}],
    [`/console/users/${who.appid}/${openid}/grant`, { kind: 'subscribe_once', template }],
    [`/console/apps/${who.appid}/pause`, {}],
    [`/console/apps/${who.appid}/remove`, {}],
    ['/console/keys', { name: 'mine', scopes: 'all' }],
    ['/console/people', { name: fresh('mine'), role: 'admin' }],
    ['/console/webhooks', { url: 'https://example.com/hook' }],
  ];
  for (const [path, fields] of forms) {
    const { status, text } = await viewer.post(/** @type {string} */ (path), /** @type {{}} */ (fields));
    assert.equal(status, 403, `${path}: ${text}`);
  }
  assert.equal(await stateOf(id), 'scheduled');
  assert.equal((await api(`/v1/permits?app=${who.appid}&openid=${openid}`)).totals.granted, 0);
  assert.equal((await api(`/v1/apps/${who.appid}`)).paused, undefined);

  await inBrowser(browser, await admin(), async (page) => {
    await page.goto(`${gateway}/console/audit`);
    const tries = page.getByRole('row', { name: viewer.name });
    await tries.filter({ hasText: 'DELETE /v1/messages/{id}' }).filter({ hasText: 'forbidden' }).first().waitFor();
  });
});

test('who has the cookie of a session, and not its token, changes nothing', async () => {
  const { id } = await sendLater(await newUser());
  for (const csrf of ['', 'f'.repeat(64), await viewer.token()]) {
    const { status } = await operator.post(`/console/messages/${id}/cancel`, { csrf });
    assert.equal(status, 403);
  }
  const none = await operator.ask(`/console/messages/${id}/cancel`, { method: 'POST', body: new URLSearchParams() });
  assert.equal(none.status, 403);
  assert.match(await none.text(), /The form has expired/);
  assert.equal((await operator.ask(`/console/messages/${id}/cancel`)).status, 405, 'a link does nothing');
  assert.equal(await stateOf(id), 'scheduled');
});

test('a new message appears in the list and on the overview without a reload', () => inBrowser(browser, viewer, async (page) => {
  for (const path of ['/console/messages', '/console']) {
    await page.goto(gateway + path);
    await page.locator('[data-live-sign][data-on]', { hasText: 'Live' }).waitFor();
    await page.evaluate(() => { Object.assign(window, { kept: true }); });
    const openid = await newUser();
    await send(openid);
    await page.getByText(openid).first().waitFor();
    assert.equal(await page.evaluate(() => Reflect.get(window, 'kept')), true, 'the page was not loaded again');
  }
}));

test('the overview shows how an app stands, and each number leads to what it counts', () => inBrowser(browser, viewer, async (page) => {
  const openid = await newUser();
  await allow(openid);
  await api('/v1/permits', { app: who.appid, openid, kind: 'subscribe_once', template });
  await send(openid);
  await sendLater(openid);
  await page.goto(`${gateway}/console`);
  const card = page.locator('section.card').filter({ has: page.locator(`a[href="/console/apps/${who.appid}"]`) });
  /** @param {string} name */
  const fact = (name) => card.locator('dt').filter({ hasText: new RegExp(`^${name}$`) }).locator('xpath=following-sibling::dd[1]');
  await fact('The last hour').getByText(/[1-9]\d* sent \(.+ per minute\)/).waitFor();
  await fact('From due to taken by WeChat').getByText(/half within .+, 95 % within/).waitFor();
  await fact('Access token').getByText(/^Fetched .+ ends .+ refreshed /s).waitFor();
  await fact("WeChat's quotas of today").getByText(/\d of [\d,]+ used, [\d,]+ left/).first().waitFor();

  // A permit that is granted meanwhile is counted without a reload.
  const units = async () => Number(/one-time subscription: ([\d,]+)/.exec(await fact('Usable permits').textContent() ?? '')?.[1].replaceAll(',', '') ?? 0);
  const before = await units();
  await allow(openid);
  await api('/v1/permits', { app: who.appid, openid, kind: 'subscribe_once', template });
  await page.waitForFunction(([label, least]) => {
    const found = [...document.querySelectorAll('dt')].find((dt) => dt.textContent === label)?.nextElementSibling?.textContent ?? '';
    return Number(/one-time subscription: ([\d,]+)/.exec(found)?.[1].replaceAll(',', '') ?? 0) > Number(least);
  }, ['Usable permits', String(before)]);

  await fact('Open messages').getByRole('link', { name: /^scheduled \d/ }).click();
  await heading(page, 'Messages');
  assert.equal(new URL(page.url()).searchParams.get('state'), 'scheduled');
  await page.getByText(openid).first().waitFor();
}));

test('when the gateway cannot be reached, an open page stays and says that it is not live', () => inBrowser(browser, viewer, async (page) => {
  const openid = await newUser();
  await send(openid);
  await page.goto(`${gateway}/console/messages`);
  const sign = page.locator('[data-live-sign]');
  await sign.filter({ hasText: /^Live$/ }).waitFor();
  await page.context().setOffline(true);
  await sign.filter({ hasText: 'Not live' }).waitFor();
  await page.getByText(openid).first().waitFor();
  await page.context().setOffline(false);
  await sign.filter({ hasText: /^Live$/ }).waitFor();
}));

test('pages that show something work without scripts, and so does the search', async () => {
  const reference = fresh('plain');
  const { id } = await send(await newUser(), { reference });
  await inBrowser(browser, viewer, async (page) => {
    await page.goto(`${gateway}/console/messages`);
    await page.getByRole('searchbox', { name: 'Search' }).fill(reference);
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('row', { name: reference }).getByRole('link').first().click();
    await heading(page, 'failed: no permit');
    assert.match(page.url(), new RegExp(id));
    assert.match(await page.locator('time').first().textContent() ?? '', /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
    await go(page, 'Overview');
    await page.locator(`a[href="/console/messages/${id}"]`).first().waitFor();
  }, { javaScriptEnabled: false });
});

test('a wrong password says so, and after five one must wait', async () => {
  const someone = await person('viewer');
  await inBrowser(browser, null, async (page) => {
    await page.goto(`${gateway}/console/login`);
    const alert = page.getByRole('alert');
    let tries = 0;
    for (; tries < 12; tries += 1) {
      await fillLogin(page, { name: someone.name, password: 'not the password' });
      const text = await alert.textContent() ?? '';
      if (text.includes('Too many wrong passwords')) break;
      assert.equal(text, 'The name or the password is wrong.');
    }
    assert.ok(tries >= 5 && tries < 12, `${tries} tries`);
    assert.equal(await page.getByLabel('Name').inputValue(), someone.name, 'the name is not typed again');
    await fillLogin(page, { name: fresh('nobody'), password: 'not the password' });
    assert.equal(await alert.textContent(), 'The name or the password is wrong.', 'nobody learns which names there are');
  });
});

test('when a session has ended, the login leads back to where the person was', async () => {
  const someone = await person('viewer');
  await inBrowser(browser, someone, async (page) => {
    await page.goto(`${gateway}/console/users`);
    assert.equal((await someone.post('/console/logout')).status, 303);
    await page.goto(`${gateway}/console/messages?state=failed`);
    await heading(page, 'Log in to the Hongyan console');
    await page.getByRole('link', { name: '中文' }).click();
    await heading(page, '登录鸿雁控制台');
    await page.getByRole('link', { name: 'English' }).click();
    await heading(page, 'Log in to the Hongyan console');
    await fillLogin(page, someone);
    await heading(page, 'Messages');
    assert.equal(page.url(), `${gateway}/console/messages?state=failed`);
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    await heading(page, 'Log in to the Hongyan console');
    await page.goBack();
    await page.goto(`${gateway}/console`);
    await heading(page, 'Log in to the Hongyan console');
  });
});

test('a search that finds nothing says what was searched', () => inBrowser(browser, viewer, async (page) => {
  await page.goto(`${gateway}/console/messages`);
  for (const sought of ['no-such-order', 'msg_0123456789abcdef0123456789abcdef', '<b>', '订单 7']) {
    await page.getByRole('searchbox', { name: 'Search' }).fill(sought);
    await page.keyboard.press('Enter');
    await page.getByText(`No message was found for “${sought}”`).waitFor();
    assert.equal(await page.getByRole('searchbox', { name: 'Search' }).inputValue(), sought);
  }
  await page.goto(`${gateway}/console/users`);
  await page.getByRole('searchbox', { name: 'Search' }).fill('nobody-like-this');
  await page.keyboard.press('Enter');
  await page.getByText('Nothing was found for “nobody-like-this”').waitFor();
}));

test('what belongs to an app that a person may not see looks as if it were not there', async () => {
  const stranger = await person('operator', ['wx00000000000000ff']);
  const openid = await newUser();
  const { id } = await sendLater(openid);
  const unknown = 'wx00000000000000aa';
  const never = `msg_${'0123456789abcdef'.repeat(2)}`;
  const pairs = [
    [`/console/messages/${id}`, id, `/console/messages/${never}`, never],
    [`/console/apps/${who.appid}`, who.appid, `/console/apps/${unknown}`, unknown],
    [`/console/users/${who.appid}/${openid}`, who.appid, `/console/users/${unknown}/${openid}`, unknown],
  ];
  for (const [path, own, otherPath, other] of pairs) {
    const [hidden, missing] = [await stranger.page(path), await stranger.page(otherPath)];
    assert.equal(hidden.status, 404, path);
    assert.equal(missing.status, 404, otherPath);
    assert.equal(hidden.text.replaceAll(own, other), missing.text);
  }
  assert.equal((await stranger.post(`/console/messages/${id}/cancel`)).status, 404);
  assert.equal(await stateOf(id), 'scheduled');
  await inBrowser(browser, stranger, async (page) => {
    await page.goto(`${gateway}/console/messages`);
    await page.getByRole('searchbox', { name: 'Search' }).fill(openid);
    await page.keyboard.press('Enter');
    await page.getByText(`No message was found for “${openid}”`).waitFor();
  });
});

test('text that looks like markup is shown as text', async () => {
  const evil = '<script>window.evil = 1</script>';
  const field = '<img src=x>';
  const openid = await newUser();
  const { id } = await send(openid, { reference: evil }, field);
  const { name } = await api(`/v1/apps/${who.appid}`);
  await api(`/v1/apps/${who.appid}`, { name: evil }, 'PATCH');
  try {
    await inBrowser(browser, operator, async (page) => {
      const pages = ['', '/messages', `/messages/${id}`, '/users', `/users/${who.appid}/${openid}`, '/apps', `/apps/${who.appid}`,
        `/apps/${who.appid}/templates/${template}`, '/reach', '/events'];
      for (const path of pages) {
        await page.goto(`${gateway}/console${path}`);
        assert.equal(await page.evaluate(() => Reflect.get(window, 'evil')), undefined, path);
        assert.equal(await page.locator('main script:not([src]), main img').count(), 0, path);
      }
      await page.goto(`${gateway}/console/messages/${id}`);
      for (const text of [evil, field]) await page.getByText(text, { exact: true }).first().waitFor();
      await page.goto(`${gateway}/console/apps/${who.appid}`);
      await heading(page, evil);
      await page.goto(`${gateway}/console/messages?q=${encodeURIComponent('"><script>window.evil = 1</script>')}`);
      await page.getByText('No message was found').waitFor();
      assert.equal(await page.evaluate(() => Reflect.get(window, 'evil')), undefined);
    });
  } finally {
    await api(`/v1/apps/${who.appid}`, { name }, 'PATCH');
  }
});

test('of two operators who cancel a message, the later one sees that it has changed', async () => {
  const other = await person('operator');
  const { id } = await sendLater(await newUser());
  const path = `${gateway}/console/messages/${id}`;
  // Without scripts the page stays as it was loaded.
  await inBrowser(browser, other, async (late) => {
    await late.goto(path);
    await inBrowser(browser, other, async (live) => {
      await live.goto(path);
      const button = live.getByRole('button', { name: 'Cancel the message' });
      await button.waitFor();
      await inBrowser(browser, operator, async (early) => {
        await early.goto(path);
        await early.getByRole('button', { name: 'Cancel the message' }).click();
        await early.getByText('The message is cancelled.').waitFor();
      });
      // A live page takes the button away.
      await button.waitFor({ state: 'detached' });
      await live.locator('.s').filter({ hasText: 'cancelled' }).first().waitFor();
    });
    await late.getByRole('button', { name: 'Cancel the message' }).click();
    await late.getByRole('alert').waitFor();
    await heading(late, 'That was not done');
    assert.match(await late.getByRole('alert').textContent() ?? '', /cancelled/);
  }, { javaScriptEnabled: false });
  assert.equal(await stateOf(id), 'cancelled');
});

test('a form that is sent twice sends one message', async () => {
  const failed = await send(await newUser());
  const { text } = await operator.page(`/console/messages/${failed.id}`);
  const once = /name="once" value="([^"]+)"/.exec(text)?.[1] ?? assert.fail(text);
  const csrf = await operator.token();
  const go = async () => {
    const body = new URLSearchParams({ csrf, once });
    const answer = await operator.ask(`/console/messages/${failed.id}/send`, { method: 'POST', body });
    assert.equal(answer.status, 303, await answer.text());
    return answer.headers.get('location');
  };
  assert.equal(await go(), await go());
});

test('an operator tries a template: what is wrong is said, what is right goes out', async () => {
  const openid = await newUser();
  await allow(openid);
  await api('/v1/permits', { app: who.appid, openid, kind: 'subscribe_once', template });
  await inBrowser(browser, operator, async (page) => {
    await page.goto(`${gateway}/console`);
    await go(page, 'Apps');
    await page.locator(`a[href="/console/apps/${who.appid}"]`).first().click();
    await page.locator(`a[href$="/templates/${template}"]`).click();
    await page.getByLabel('To (openid)').fill(openid);
    const field = page.locator('#f-thing1');
    await field.fill('much too long '.repeat(10));
    await page.getByRole('button', { name: 'Check' }).click();
    await page.locator('.notice.bad').waitFor();
    await field.fill('Americano');
    await page.locator('[data-part=card]').getByText('Americano').waitFor();
    await page.locator('#f-date2').fill('2026-05-01');
    await page.locator('#f-amount3').fill('¥18.00');
    await page.getByRole('button', { name: 'Check' }).click();
    await page.getByText('This can be sent.').waitFor();
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.locator('[data-part=line] .s.ok').filter({ hasText: 'sent' }).waitFor();
    await page.getByText('Americano').first().waitFor();
  });
});

test('an operator pauses an app, the overview says so, and it is resumed there', () => inBrowser(browser, operator, async (page) => {
  await page.goto(`${gateway}/console/apps/${who.appid}`);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('It is paused.').waitFor();
  await go(page, 'Overview');
  await page.getByText('paused by a person').waitFor();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByText('It is resumed.').waitFor();
  assert.equal((await api(`/v1/apps/${who.appid}`)).paused, undefined);
}));

test('an admin adds a person, whose first login asks for another password', async () => {
  const name = fresh('newcomer');
  let password = '';
  await inBrowser(browser, await admin(), async (page) => {
    await page.goto(`${gateway}/console`);
    await go(page, 'People');
    await page.getByLabel('Name', { exact: true }).fill(name);
    await page.getByRole('radio', { name: /^operator:/ }).check();
    await page.getByRole('button', { name: 'Add a person' }).click();
    password = (await page.locator('#secret').textContent() ?? '').trim();
    await page.goto(`${gateway}/console/people`);
    assert.equal(await page.getByText(password).count(), 0, 'the password is shown once');
    await page.getByRole('row', { name }).getByText('has not chosen a password yet').waitFor();
  });
  await inBrowser(browser, null, async (page) => {
    await page.goto(`${gateway}/console/messages`);
    await fillLogin(page, { name, password });
    await heading(page, 'My account');
    await page.goto(`${gateway}/console/messages`);
    await heading(page, 'My account');
    await page.getByLabel('The password now').fill(password);
    await page.getByLabel('The new password', { exact: true }).fill('correct horse battery');
    await page.getByLabel('The new password once more').fill('correct horse battery');
    await page.getByRole('button', { name: 'Change the password' }).click();
    await go(page, 'Messages');
    await heading(page, 'Messages');
    await inBrowser(browser, await admin(), async (other) => {
      await other.goto(`${gateway}/console/people`);
      await other.getByRole('row', { name }).getByRole('button', { name: 'Remove' }).click();
      await other.getByText('The person is removed.').waitFor();
    });
    // A live page notices by itself, at the latest when it is drawn anew because time has passed.
    await page.getByRole('heading', { name: 'Log in to the Hongyan console' }).waitFor({ timeout: 40_000 });
  });
});

test('an admin makes an API key, which is shown once, works, and is revoked', async () => {
  const name = fresh('key');
  await inBrowser(browser, await admin(), async (page) => {
    await page.goto(`${gateway}/console/keys`);
    await page.getByLabel('Name', { exact: true }).fill(name);
    await page.getByRole('button', { name: 'Make a key' }).click();
    const key = (await page.locator('#secret').textContent() ?? '').trim();
    const status = async () => (await fetch(`${gateway}/v1/messages`, { headers: { authorization: `Bearer ${key}` } })).status;
    assert.equal(await status(), 200);
    await page.goto(`${gateway}/console/keys`);
    assert.equal(await page.getByText(key).count(), 0, 'the key is shown once');
    await page.getByRole('row', { name }).getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('row', { name }).getByText('revoked').waitFor();
    assert.equal(await status(), 401);
  });
});

test('a password that an admin has made opens no other page', async () => {
  const { name, password } = await added('admin');
  await inBrowser(browser, null, async (page) => {
    await page.goto(`${gateway}/console/people`);
    await fillLogin(page, { name, password });
    for (const path of ['/console', '/console/people', '/console/keys']) {
      await page.goto(gateway + path);
      await heading(page, 'My account');
    }
  });
});

test('a person sees the own sessions and ends the one in another browser', async () => {
  const someone = await person('viewer');
  await inBrowser(browser, null, async (other) => {
    await other.goto(`${gateway}/console/account`);
    await fillLogin(other, someone);
    await heading(other, 'My account');
    await inBrowser(browser, someone, async (page) => {
      await page.goto(`${gateway}/console/account`);
      const rows = page.locator('tr').filter({ has: page.getByRole('button', { name: 'End the session' }) });
      assert.equal(await rows.count(), 2);
      const foreign = rows.filter({ hasNotText: 'this session' });
      assert.equal(await foreign.count(), 1);
      await foreign.getByRole('button').click();
      await page.getByText('The session is ended.').waitFor();
      assert.equal(await rows.count(), 1);
      await other.reload();
      await heading(other, 'Log in to the Hongyan console');
      await page.reload();
      await rows.getByRole('button').click();
      await heading(page, 'Log in to the Hongyan console');
    });
  });
});
