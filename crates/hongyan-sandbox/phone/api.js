// @ts-check
// The calls that the page makes: to the sandbox, which stands for WeChat, and through it to the tutorial's back end.

/**
 * @typedef {{name: string, label?: string | null, value: string, color?: string | null}} Field
 * @typedef {{id: string | number, kind: string, template_id: string, title: string, fields: Field[],
 *   emphasis?: string | null, page?: string | null, sent_at: string}} Card
 * @typedef {{appid: string, openid: string, legacy_template: string, subscribe_template: string}} Seed
 * @typedef {{template_id: string, family: string, title: string}} Template
 * @typedef {{appid: string, templates: Template[], users: {openid: string}[]}} App
 */

/** An answer that is not a success. Its message is what the sandbox, the back end or the gateway said. */
export class ApiError extends Error {
  /**
   * @param {number} status the HTTP status; 0 when nothing answered
   * @param {Record<string, any>} body
   */
  constructor(status, body) {
    super(body.detail || body.error || body.errmsg || body.title || `HTTP ${status}`);
    this.status = status;
    /** @type {string} */
    this.code = String(body.errcode || body.code || status);
  }
}

/**
 * @param {string} path
 * @param {Record<string, unknown>} [body] a POST with this body, else a GET
 * @returns {Promise<any>}
 */
async function call(path, body) {
  const options = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  /** @type {Response} */
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new ApiError(0, { code: 'network' });
  }
  const text = await answer.text();
  /** @type {any} */
  let result = {};
  try {
    result = text ? JSON.parse(text) : {};
  } catch {
    if (answer.ok) throw new ApiError(answer.status, { code: 'not_json', detail: text.slice(0, 200) });
  }
  if (!answer.ok) throw new ApiError(answer.status, result);
  return result;
}

/** What a fresh sandbox has: one app, one user, two templates. @returns {Promise<Seed>} */
export const seed = () => call('/_sandbox/seed');

/** @returns {Promise<{backend: boolean}>} */
export const config = () => call('/_sandbox/config');

/** The sandbox's time; advancing the clock by nothing answers it. @returns {Promise<{now: string | number}>} */
export const now = () => call('/_sandbox/clock', { advance_seconds: 0 });

/** Every app with its templates and users. @returns {Promise<{apps: App[]}>} */
export const overview = () => call('/_sandbox/overview');

/** @param {string} appid @returns {Promise<{openid: string}>} */
export const newUser = (appid) => call('/_sandbox/users', { appid });

/**
 * What one user of one app does and sees.
 * @param {string} appid
 * @param {string} openid
 */
export function user(appid, openid) {
  const who = { appid, openid };
  const query = new URLSearchParams(who);
  return {
    /** @returns {Promise<{code: string}>} stands for `wx.login` */
    login: () => call('/_sandbox/login', who),
    /** @returns {Promise<{form_id: string}>} stands for a form with `report-submit` */
    form: () => call('/_sandbox/forms', who),
    /** @returns {Promise<{prepay_id: string}>} stands for `wx.requestPayment` */
    pay: () => call('/_sandbox/payments', who),
    /**
     * Stands for the user's answer to `wx.requestSubscribeMessage`.
     * @param {string} template_id
     * @param {string} result
     */
    subscribe: (template_id, result) => call('/_sandbox/subscriptions', { ...who, template_id, result }),
    /** @returns {Promise<Card[]>} oldest first */
    inbox: () => call(`/_sandbox/inbox?${query}`),
    events: () => new EventSource(`/_sandbox/events?${query}`),
  };
}

/**
 * Stands for `wx.request` to the mini program's own back end.
 * @param {string} path
 * @param {Record<string, unknown>} body
 */
export const backend = (path, body) => call(`/backend${path}`, body);
