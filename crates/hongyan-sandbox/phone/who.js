// @ts-check
// Whose phone this is: the address names app and user, and the panel offers the others.

import * as api from './api.js';
import { byId } from './sheet.js';

/** Whether the page stands in a frame of `/phones`. */
export const isFramed = location.pathname === '/phones/frame';

/**
 * The user whom the address names; without names the user who is there from the start.
 * @param {api.Seed} seed
 * @returns {{appid: string, openid: string}}
 */
export function named(seed) {
  const asked = new URLSearchParams(location.search);
  const [appid, openid] = [asked.get('appid'), asked.get('openid')];
  return appid && openid ? { appid, openid } : { appid: seed.appid, openid: seed.openid };
}

/** Shows another phone in this place; everything else of the address stays. @param {string} appid @param {string} openid */
function go(appid, openid) {
  const asked = new URLSearchParams(location.search);
  asked.set('appid', appid);
  asked.set('openid', openid);
  location.search = asked.toString();
}

/**
 * Fills the two lists. A user whom the overview no longer lists stands in the list as well.
 * @param {api.App[]} apps
 * @param {{appid: string, openid: string}} who
 * @param {(error: unknown) => void} failed
 */
export function offer(apps, who, failed) {
  const [chooseApp, chooseUser] = /** @type {HTMLSelectElement[]} */ (['choose-app', 'choose-user'].map(byId));
  const usersOf = (/** @type {string} */ appid) => (apps.find((app) => app.appid === appid)?.users ?? []).map(({ openid }) => openid);
  fill(chooseApp, apps.map(({ appid }) => appid), who.appid);
  fill(chooseUser, usersOf(who.appid), who.openid);
  chooseUser.addEventListener('change', () => go(who.appid, chooseUser.value));
  const goToNewUser = async (/** @type {string} */ appid) => {
    try {
      const { openid } = await api.newUser(appid);
      go(appid, openid);
    } catch (error) {
      failed(error);
    }
  };
  chooseApp.addEventListener('change', () => {
    const [first] = usersOf(chooseApp.value);
    if (first) go(chooseApp.value, first);
    else goToNewUser(chooseApp.value);
  });
  byId('new-user').addEventListener('click', () => goToNewUser(who.appid));
  const query = new URLSearchParams(who);
  /** @type {HTMLAnchorElement} */ (byId('to-inbox')).href = `/inbox?${query}`;
  /** @type {HTMLAnchorElement} */ (byId('to-phones')).href = `/phones?${new URLSearchParams({ phone: `${who.appid} ${who.openid}` })}`;
}

/** @param {HTMLSelectElement} list @param {string[]} names @param {string} chosen */
function fill(list, names, chosen) {
  const all = names.includes(chosen) ? names : [chosen, ...names];
  list.replaceChildren(...all.map((name) => new Option(name, name, name === chosen, name === chosen)));
}
