// @ts-check
// The chat of service notifications: one card for each message, the newest at the bottom.

import { chatTime } from './clock.js';
import { applyTexts, t } from './i18n.js';

/** @typedef {import('./api.js').Card} Card */

/** Cards closer together than this share one time line, as in WeChat. */
const SAME_TIME_MILLIS = 5 * 60 * 1000;

export class Inbox {
  /** @type {Map<string, Card>} by id: after a lost connection the same card may come again */
  #cards = new Map();
  /** @type {Set<string>} arrived while the page was open and not tapped yet */
  #unread = new Set();
  /** @type {Card | undefined} */
  #last;

  /**
   * @param {{list: HTMLElement, empty: HTMLElement, badge: HTMLElement, live: HTMLElement}} places
   * @param {(card: Card) => void} open called when a card that leads somewhere is tapped
   */
  constructor(places, open) {
    this.places = places;
    this.open = open;
  }

  /**
   * Shows a card, unless it is there already.
   * @param {Card} card
   * @param {boolean} live it has just arrived: it moves in, counts as unread and is spoken
   * @returns {boolean} whether it is new
   */
  add(card, live) {
    const id = String(card.id);
    if (this.#cards.has(id)) return false;
    this.#cards.set(id, card);
    this.places.empty.hidden = true;

    const gap = this.#last ? Date.parse(card.sent_at) - Date.parse(this.#last.sent_at) : Infinity;
    if (!(gap < SAME_TIME_MILLIS)) this.places.list.append(timeLine(card));
    this.#last = card;

    const element = cardElement(card);
    if (live) {
      this.#unread.add(id);
      element.classList.add('arriving', 'unread');
      const value = card.fields.find((field) => isEmphasis(card, field)) ?? card.fields[0];
      this.places.live.textContent = t('new_card', { title: card.title, value: value?.value ?? '' });
    }
    element.addEventListener('click', () => {
      this.#unread.delete(id);
      element.classList.remove('unread');
      this.#showBadge();
      if (card.page) this.open(card);
    });
    this.places.list.append(element);
    this.scrollToEnd(live);
    this.#showBadge();
    return true;
  }

  /** Takes every card away. */
  clear() {
    this.#cards.clear();
    this.#unread.clear();
    this.#last = undefined;
    this.places.list.replaceChildren(this.places.empty);
    this.places.empty.hidden = false;
    this.#showBadge();
  }

  /** @param {boolean} gently */
  scrollToEnd(gently) {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.places.list.scrollTo({ top: this.places.list.scrollHeight, behavior: gently && !calm ? 'smooth' : 'instant' });
  }

  /** Times are written in the page's language. */
  retranslate() {
    for (const element of this.places.list.querySelectorAll('time')) {
      element.textContent = chatTime(element.dateTime);
    }
  }

  #showBadge() {
    this.places.badge.hidden = this.#unread.size === 0;
    this.places.badge.textContent = this.#unread.size > 99 ? '99+' : String(this.#unread.size);
  }
}

/** `emphasis` names a field, with or without WeChat's ending. @param {Card} card @param {import('./api.js').Field} field */
function isEmphasis(card, field) {
  return card.emphasis?.replace(/\.DATA$/, '') === field.name;
}

/** @param {Card} card */
function timeLine(card) {
  const line = document.createElement('time');
  line.className = 'time-line';
  line.dateTime = card.sent_at;
  line.textContent = chatTime(card.sent_at);
  return line;
}

/** @param {Card} card */
function cardElement(card) {
  const element = make('article', 'card');
  element.dataset.testid = 'card';
  element.dataset.id = String(card.id);

  const app = make('header', 'card-app');
  app.innerHTML = '<span class="app-icon" aria-hidden="true"><svg><use href="#geese"/></svg></span>'
    + '<span data-i18n="app_name"></span><i class="dot" aria-hidden="true"></i>';
  element.append(app, make('h2', 'card-title', card.title));

  const large = card.fields.find((field) => isEmphasis(card, field));
  if (large) {
    const box = make('div', 'card-emphasis');
    box.append(make('span', '', large.label || large.name), colored(make('strong', '', large.value), large.color));
    element.append(box);
  }
  const rows = make('dl', 'card-fields');
  for (const field of card.fields) {
    if (field === large) continue;
    rows.append(make('dt', '', field.label || field.name), colored(make('dd', '', field.value), field.color));
  }
  element.append(rows);

  if (card.page) {
    const enter = make('button', 'card-enter');
    enter.setAttribute('type', 'button');
    enter.innerHTML = '<span data-i18n="enter_app"></span><svg aria-hidden="true"><use href="#chevron"/></svg>';
    element.classList.add('leads-somewhere');
    element.append(enter);
  }
  applyTexts(element);
  return element;
}

/** @param {string} tag @param {string} className @param {string} [text] */
function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** The sender chose the colour; what is not a colour is left as it is. @param {HTMLElement} element @param {string | null} [color] */
function colored(element, color) {
  if (color && CSS.supports('color', color)) {
    element.classList.add('asked');
    element.style.setProperty('--asked', color);
  }
  return element;
}
