// @ts-check
// The side panel: the way of one message, each station lit when it was really passed.

import { t } from './i18n.js';

/** @typedef {'login' | 'session' | 'right' | 'backend' | 'gateway' | 'wechat' | 'card'} Station */
/** @typedef {'form' | 'payment' | 'subscribe'} Way */

/** @type {Station[]} */
const STATIONS = ['login', 'session', 'right', 'backend', 'gateway', 'wechat', 'card'];
/** The first stations are passed once for a session and stay lit; a new message lights the others again. */
const FIRST_OF_A_MESSAGE = STATIONS.indexOf('right');
/** Characters of an id that are shown; enough to recognise it. */
const SHOWN_ID = 18;

export class Hops {
  /** @type {Map<Station, string>} what each lit station has to show */
  #lit = new Map();
  /** @type {Station | undefined} */
  #current;
  /** @type {Station | undefined} */
  #broken;
  /** @type {Way} */
  #way = 'form';
  /** When the right was there, so that a person's thinking time is not counted; 0 while nothing is on its way. */
  #startedAt = 0;
  #totalMillis = 0;

  /** @param {HTMLElement} list */
  constructor(list) {
    this.list = list;
    this.draw();
  }

  /** A new message begins. @param {Way} way where its right to be sent comes from */
  begin(way) {
    this.#way = way;
    this.#startedAt = 0;
    this.#totalMillis = 0;
    for (const station of STATIONS.slice(FIRST_OF_A_MESSAGE)) this.#lit.delete(station);
    this.going('right');
  }

  /** The next thing that is waited for. @param {Station} station */
  going(station) {
    this.#broken = undefined;
    if (!this.#lit.has(station)) this.#current = station;
    this.draw();
  }

  /** @param {Station} station @param {string} [shown] an id or a state that was seen there */
  passed(station, shown = '') {
    if (station === 'right' && shown) this.#startedAt = performance.now();
    this.#lit.set(station, shown || this.#lit.get(station) || '');
    if (this.#current === station) this.#current = undefined;
    this.draw();
  }

  /** What was under way did not work. */
  broke() {
    this.#broken = this.#current;
    this.#current = undefined;
    this.#startedAt = 0;
    this.draw();
  }

  /** A card came in: if a message was on its way, every station before was passed too. */
  arrived() {
    if (!this.#startedAt) return;
    this.#totalMillis = Math.max(1, Math.round(performance.now() - this.#startedAt));
    this.#startedAt = 0;
    for (const station of STATIONS) this.passed(station);
  }

  draw() {
    this.list.replaceChildren(...STATIONS.map((station) => this.#element(station)));
  }

  /** @param {Station} station */
  #element(station) {
    const element = document.createElement('li');
    element.dataset.station = station;
    element.classList.toggle('lit', this.#lit.has(station));
    element.classList.toggle('current', this.#current === station);
    element.classList.toggle('broken', this.#broken === station);
    const name = document.createElement('strong');
    name.textContent = t(this.#key(station, ''));
    const text = document.createElement('span');
    text.textContent = t(this.#key(station, '_text'));
    element.append(name, text);
    const shown = station === 'card' && this.#totalMillis
      ? t('total', { ms: this.#totalMillis }) : shorten(this.#lit.get(station) ?? '');
    if (shown) {
      const value = document.createElement('code');
      value.textContent = shown;
      element.append(value);
    }
    return element;
  }

  /** @param {Station} station @param {string} ending */
  #key(station, ending) {
    if (station === 'right') return `hop_right_${this.#way}${ending}`;
    if (station === 'backend' && !ending) return `hop_backend_${this.#way === 'subscribe' ? 'subscribe' : 'form'}`;
    return `hop_${station}${ending}`;
  }
}

/** @param {string} text */
function shorten(text) {
  return text.split(' ').map((word) => (word.length > SHOWN_ID + 4 ? `${word.slice(0, SHOWN_ID)}…` : word)).join(' ');
}
