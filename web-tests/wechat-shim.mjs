// As much of WeChat's client as the tutorial's mini program touches, so that its real files run here unchanged:
// `wx`, `App`, `Page`, `getApp`, `require`, and the form and tap bindings of a WXML file.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask, who } from './environment.mjs';

const ROOT = fileURLToPath(new URL('../miniprogram/', import.meta.url));

/** What `wx` does here: the platform's part is played by the sandbox, `wx.request` is a real request. */
function wxShim(/** @type {string} */ subscriptionAnswer) {
  return {
    login({ success, fail }) {
      ask('/_sandbox/login', who).then(success, (error) => fail({ errMsg: `login:fail ${error.message}` }));
    },
    async request({ url, method = 'GET', data, success, fail }) {
      const options = { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(data) };
      try {
        const answer = await fetch(url, options);
        success({ statusCode: answer.status, data: await answer.json() });
      } catch (error) {
        fail({ errMsg: `request:fail ${error}` });
      }
    },
    async requestSubscribeMessage({ tmplIds }) {
      const answers = { errMsg: 'requestSubscribeMessage:ok' };
      for (const template_id of tmplIds) {
        await ask('/_sandbox/subscriptions', { ...who, template_id, result: subscriptionAnswer });
        answers[template_id] = subscriptionAnswer;
      }
      return answers;
    },
  };
}

/**
 * Starts the mini program and opens its first page.
 * @param {{config: object, query?: object, subscriptionAnswer?: string}} options `config` overrides config.js
 */
export async function launch({ config, query = {}, subscriptionAnswer = 'accept' }) {
  const modules = new Map();
  let app;
  let page;
  const globals = {
    wx: wxShim(subscriptionAnswer),
    App: (definition) => { app = definition; },
    Page: (definition) => { page = definition; },
    getApp: () => app,
  };

  function load(file) {
    if (modules.has(file)) return modules.get(file).exports;
    const module = { exports: {} };
    modules.set(file, module);
    const names = [...Object.keys(globals), 'require', 'module', 'exports'];
    const require = (name) => load(join(dirname(file), name));
    const run = new Function(...names, `${readFileSync(file, 'utf8')}\n//# sourceURL=${file}`);
    run(...Object.values(globals), require, module, module.exports);
    return module.exports;
  }

  Object.assign(load(join(ROOT, 'config.js')), config);
  load(join(ROOT, 'app.js'));
  app.onLaunch();
  const [path] = JSON.parse(readFileSync(join(ROOT, 'app.json'), 'utf8')).pages;
  load(join(ROOT, `${path}.js`));
  const wxml = readFileSync(join(ROOT, `${path}.wxml`), 'utf8');
  page.data = structuredClone(page.data);
  page.setData = (values) => Object.assign(page.data, values);
  page.onLoad(query);

  return {
    app,
    page,
    /** Fills the form and taps Submit: the handler is the one that the WXML names. @param {object} value */
    async submit(value) {
      const form = opening(wxml, 'form');
      if (attribute(form, 'report-submit') !== 'true') throw new Error('without report-submit there is no form id');
      const { form_id: formId } = await ask('/_sandbox/forms', who);
      await page[attribute(form, 'bindsubmit')]({ detail: { value, formId } });
    },
    reset: () => page[attribute(opening(wxml, 'form'), 'bindreset')]({ detail: {} }),
    /** @param {string} className the button's class */
    tap: (className) => page[attribute(opening(wxml, 'button', className), 'bindtap')]({ detail: {} }),
  };
}

/** The opening tag of the first such element. @param {string} wxml @param {string} tag @param {string} [className] */
function opening(wxml, tag, className) {
  const found = [...wxml.matchAll(new RegExp(`<${tag}\\b[^>]*>`, 'g'))].map(([text]) => text)
    .find((text) => !className || attribute(text, 'class') === className);
  if (!found) throw new Error(`the page has no <${tag} class="${className ?? ''}">`);
  return found;
}

/** @param {string} tag @param {string} name */
function attribute(tag, name) {
  return new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1] ?? '';
}
