// @ts-check
// The sandbox's time on the status bar, and times as WeChat writes them between messages. The phone lives in China.

import * as api from './api.js';
import { lang } from './i18n.js';

const ZONE = 'Asia/Shanghai';
const DAY_MILLIS = 24 * 3600 * 1000;

/** Sandbox time minus the browser's, in milliseconds. */
let offsetMillis = 0;

/** @param {HTMLElement} face where the time is shown */
export async function startClock(face) {
  const show = () => {
    const format = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: ZONE };
    face.textContent = new Intl.DateTimeFormat('en-GB', /** @type {any} */ (format)).format(nowMillis());
  };
  show();
  setInterval(show, 1000);
  setNow((await api.now()).now);
  show();
}

/** The sandbox said what time it is. @param {string | number} now RFC 3339 or Unix milliseconds */
export function setNow(now) {
  const millis = new Date(now).getTime();
  if (!Number.isNaN(millis)) offsetMillis = millis - Date.now();
}

function nowMillis() {
  return Date.now() + offsetMillis;
}

/** `11:24` today, `Nov 3 11:24` on other days. @param {string} sentAt RFC 3339 */
export function chatTime(sentAt) {
  const sent = new Date(sentAt);
  const locale = lang() === 'zh' ? 'zh-CN' : 'en-US';
  const day = (/** @type {number} */ millis) => Math.floor((millis + 8 * 3600 * 1000) / DAY_MILLIS);
  /** @type {Intl.DateTimeFormatOptions} */
  const time = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: ZONE };
  const today = day(sent.getTime()) === day(nowMillis());
  return new Intl.DateTimeFormat(locale, today ? time : { ...time, month: 'short', day: 'numeric' }).format(sent);
}
