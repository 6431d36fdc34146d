// A shop that tells its customers by a subscribe message that they have paid.
//
// The shop calls WeChat itself, without packages: it keeps its own access token, fetches another token when WeChat refuses
// this token, and asks again when WeChat is busy.

import { setTimeout as pause } from "node:timers/promises";

const BUSY = -1;
const NOT_SUBSCRIBED = 43101;
const TOKEN_IS_DEAD = [40001, 40014, 42001];
/** A token is not used in its last minutes. */
const RESERVE_SECONDS = 300;

export class WeChatError extends Error {
  constructor(errcode, errmsg) {
    super(`${errcode}: ${errmsg}`);
    this.errcode = errcode;
  }
}

/** WeChat's API for one app. */
export class WeChat {
  #options;
  #token = { value: undefined, ends: 0 };

  constructor({ appid, secret, baseUrl = "https://api.weixin.qq.com", tries = 3, pauseMillis = 200 }) {
    this.#options = { appid, secret, baseUrl, tries, pauseMillis };
  }

  /** The openid of the user who made this code with `wx.login`. */
  async login(code) {
    const { appid, secret } = this.#options;
    const query = { appid, secret, js_code: code, grant_type: "authorization_code" };
    return (await this.#call("/sns/jscode2session", query)).openid;
  }

  /** Sends a subscribe message. */
  async send({ openid, templateId, data, page }) {
    const values = Object.entries(data).map(([name, value]) => [name, { value }]);
    const body = { touser: openid, template_id: templateId, page, data: Object.fromEntries(values) };
    try {
      return await this.#send(body);
    } catch (error) {
      if (!TOKEN_IS_DEAD.includes(error.errcode)) throw error;
      // Another program has fetched a token, or this token is too old.
      this.#token.value = undefined;
      return this.#send(body);
    }
  }

  async #send(body) {
    return this.#call("/cgi-bin/message/subscribe/send", { access_token: await this.#accessToken() }, body);
  }

  async #accessToken() {
    if (this.#token.value === undefined || performance.now() > this.#token.ends) {
      const { appid, secret } = this.#options;
      const answer = await this.#call("/cgi-bin/stable_token", {}, { grant_type: "client_credential", appid, secret });
      const ends = performance.now() + (answer.expires_in - RESERVE_SECONDS) * 1000;
      this.#token = { value: answer.access_token, ends };
    }
    return this.#token.value;
  }

  async #call(path, query, body) {
    const { baseUrl, tries, pauseMillis } = this.#options;
    const request = body && {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    };
    for (let attempt = 1; ; attempt += 1) {
      // Only -1 is asked again: after a lost answer nobody knows whether the message was sent.
      const answer = await fetch(`${baseUrl}${path}?${new URLSearchParams(query)}`, {
        ...request,
        signal: AbortSignal.timeout(5_000),
      });
      const { errcode = 0, errmsg, ...result } = await answer.json();
      if (errcode === 0) return result;
      if (errcode !== BUSY || attempt === tries) throw new WeChatError(errcode, errmsg);
      await pause(pauseMillis * attempt);
    }
  }
}

/** Logs customers in, takes orders, and tells the customer about the payment. */
export class Shop {
  constructor({ wechat, templateId }) {
    this.wechat = wechat;
    this.templateId = templateId;
  }

  login(code) {
    return this.wechat.login(code);
  }

  /** Returns whether the customer can be told: customers who did not subscribe are told nothing. */
  async paid(openid, goods, amount) {
    const date = new Date().toISOString().slice(0, 10);
    const data = { thing1: goods, date2: date, amount3: `¥${amount.toFixed(2)}` };
    try {
      await this.wechat.send({ openid, templateId: this.templateId, data, page: "pages/order/order" });
      return true;
    } catch (error) {
      if (error.errcode !== NOT_SUBSCRIBED) throw error;
      return false;
    }
  }
}
