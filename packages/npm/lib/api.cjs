"use strict";

const { CallError, SandboxError } = require("./errors.cjs");

/** Calls one server with JSON. `whyDead` says why the server does not answer, if the reason is known. */
class Api {
  #baseUrl;
  #headers;
  #whyDead;

  constructor(baseUrl, headers, whyDead) {
    this.#baseUrl = baseUrl;
    this.#headers = headers;
    this.#whyDead = whyDead;
  }

  /** Sends a request and returns the answer, read as JSON. Undefined values are left out of `query`. */
  async call(method, path, body, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const search = given.length > 0 ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
    let answer;
    let text;
    try {
      answer = await fetch(this.#baseUrl + path + search, {
        method,
        headers: body === undefined ? this.#headers : { ...this.#headers, "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      text = await answer.text();
    } catch (error) {
      const why = (await this.#whyDead()) ?? `${this.#baseUrl} does not answer`;
      throw new SandboxError(`${method} ${path}: ${error.cause?.message ?? error.message}. ${why}`, { cause: error });
    }
    if (!answer.ok) throw refusal(answer.status, text);
    return text === "" ? undefined : JSON.parse(text);
  }
}

function refusal(status, text) {
  try {
    // The sandbox writes `error`, the gateway writes problems (RFC 9457).
    const { code, error, detail } = JSON.parse(text);
    return new CallError(status, code, error ?? detail);
  } catch {
    return new CallError(status, "no_json", text.slice(0, 200) || "an empty answer");
  }
}

module.exports = { Api };
