// The tutorial's mini program, its real files, against a running sandbox and back end.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { ask, backend, cardWhere, cardWith, inbox } from './environment.mjs';
import { launch } from './wechat-shim.mjs';

const { subscribe_template: subscribeTemplate } = await ask('/_sandbox/seed');
const config = { backend, subscribeTemplate };
/** Unlike every earlier text, and short enough for a `thing` field. */
const fresh = () => `你好 ${randomUUID().slice(0, 12)}`;

test('a submitted form arrives as a card with the typed text', async () => {
  const phone = await launch({ config });
  const input = fresh();
  await phone.submit({ input });
  assert.match(phone.page.data.outcome, /msg_/, phone.page.data.outcome);
  const card = await cardWith(input);
  assert.equal(card.page, 'pages/index/index?from=card');
  const field = card.fields.find(({ value }) => value === input);
  assert.equal(field.color, '#173177');
  assert.equal(card.emphasis.replace('.DATA', ''), field.name);
});

test('every submit sends one card, and only one', async () => {
  const phone = await launch({ config });
  const inputs = [fresh(), fresh()];
  for (const input of inputs) await phone.submit({ input });
  for (const input of inputs) await cardWith(input);
  const values = (await inbox()).flatMap(({ fields }) => fields.map(({ value }) => value));
  assert.deepEqual(inputs.map((input) => values.filter((value) => value === input).length), [1, 1]);
});

test('a forgotten session is replaced by logging in again', async () => {
  const phone = await launch({ config });
  await phone.app.login();
  const forgotten = phone.app.session = 'a session of a back end that was restarted';
  await phone.tap('subscribe');
  assert.match(phone.page.data.outcome, /msg_/, phone.page.data.outcome);
  assert.notEqual(phone.app.session, forgotten);
});

test('allowing a subscription sends a subscribe message', async () => {
  const seen = new Set((await inbox()).map(({ id }) => id));
  const phone = await launch({ config });
  await phone.tap('subscribe');
  assert.match(phone.page.data.outcome, /msg_/, phone.page.data.outcome);
  const card = await cardWhere(({ id, template_id }) => template_id === subscribeTemplate && !seen.has(id));
  assert.equal(card.fields[0].name, 'thing1');
});

test('refusing a subscription sends nothing', async () => {
  const phone = await launch({ config, subscriptionAnswer: 'reject' });
  await phone.tap('subscribe');
  assert.equal(phone.page.data.outcome, 'not_sent');
});

test('the developer tools\' mock form id is refused with a reason', async () => {
  const phone = await launch({ config });
  await phone.page.formSubmit({ detail: { value: { input: fresh() }, formId: 'the formId is a mock one' } });
  assert.doesNotMatch(phone.page.data.outcome, /msg_/);
  assert.notEqual(phone.page.data.outcome, '');
});

test('the page shows what a notification opened it with, and Reset clears the outcome', async () => {
  const phone = await launch({ config, query: { from: 'card' } });
  assert.equal(phone.page.data.query, 'from=card');
  phone.page.setData({ outcome: 'something' });
  phone.reset();
  assert.equal(phone.page.data.outcome, '');
});
