// @ts-check
// What WeChat shows over a mini program: the box that asks for a subscription, the toast and the alert.

import { t } from './i18n.js';

/** How long a toast stays; WeChat's own default is 1.5 seconds. */
const TOAST_MILLIS = 1800;

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * Asks whether one message may be sent, as `wx.requestSubscribeMessage` does.
 * @param {string} title the template's title
 * @returns {Promise<{result: 'accept' | 'reject', keep: boolean} | undefined>} nothing if the user turned away
 */
export function askSubscription(title) {
  const [sheet, veil, allow, reject] = ['sheet', 'veil', 'allow', 'reject'].map(byId);
  const keep = /** @type {HTMLInputElement} */ (byId('keep'));
  // Everything else on the page: while the box is open, neither a tap nor Tab leaves it.
  const behind = ['chat', 'mini', 'panel', 'alert'].map(byId);
  const stops = [keep, reject, allow];
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  byId('sheet-template').textContent = title;
  keep.checked = false;
  sheet.hidden = veil.hidden = false;
  for (const element of behind) element.inert = true;
  allow.focus({ preventScroll: true });

  return new Promise((resolve) => {
    const listeners = new AbortController();
    /** @param {'accept' | 'reject'} [result] */
    const close = (result) => {
      listeners.abort();
      sheet.hidden = veil.hidden = true;
      for (const element of behind) element.inert = false;
      before?.focus({ preventScroll: true });
      resolve(result && { result, keep: keep.checked });
    };
    const options = { signal: listeners.signal };
    allow.addEventListener('click', () => close('accept'), options);
    reject.addEventListener('click', () => close('reject'), options);
    veil.addEventListener('click', () => close(), options);
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') close();
      if (event.key !== 'Tab') return;
      event.preventDefault();
      const at = stops.findIndex((stop) => stop === document.activeElement);
      const step = event.shiftKey ? -1 : 1;
      stops[(at + step + stops.length) % stops.length].focus({ preventScroll: true });
    }, options);
  });
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let toastTimer;

/** With a tick if something was done. @param {string} text @param {{done?: boolean}} [options] */
export function toast(text, { done = true } = {}) {
  byId('toast-text').textContent = text;
  byId('toast-tick').toggleAttribute('hidden', !done);
  byId('toast').hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { byId('toast').hidden = true; }, TOAST_MILLIS);
}

/** Something went wrong: stays until it is read. @param {string} title @param {string} text */
export function alertUser(title, text) {
  byId('toast').hidden = true;
  byId('alert-title').textContent = title;
  byId('alert-text').textContent = text;
  byId('alert').hidden = false;
}

byId('alert-close').addEventListener('click', () => { byId('alert').hidden = true; });

/** @param {unknown} error */
export function showError(error) {
  const { status, code, message } = /** @type {import('./api.js').ApiError} */ (error);
  if (status === 0) alertUser(t('error_network'), t('error_network_text'));
  else alertUser(t('error_code', { code: code ?? '' }), message);
}
