/// <reference lib="esnext.disposable" />

/** Starts a sandbox on a free port. The process ends with this process, however this process ends. */
export function startSandbox(options?: StartOptions): Promise<Sandbox>;

/** Uses a sandbox that runs already, for example in a container. */
export function connectSandbox(baseUrl: string): Promise<Sandbox>;

/** Starts a gateway with a sandbox behind it, both on free ports. */
export function startGateway(options?: StartOptions): Promise<Gateway>;

/** The path of the program `hongyan`: `$HONGYAN_BINARY`, or the program of this package. */
export function findBinary(): string;

export interface StartOptions {
  /** Further arguments of `hongyan sandbox` or `hongyan demo`. */
  args?: string[];
  /** How long the program may take until it is ready, in milliseconds; 20,000 by default. */
  timeout?: number;
}

/** A simulated WeChat. Calls about an app or a user are about the first app and the first user by default. */
export interface Sandbox {
  /** The address to use in place of `https://api.weixin.qq.com`. */
  readonly baseUrl: string;
  readonly appid: string;
  readonly appSecret: string;
  readonly templates: Templates;
  /** The first user. */
  readonly openid: string;
  /** The time of the sandbox. */
  readonly clock: Clock;
  /** The id of the process; undefined if another program started the sandbox. */
  readonly pid: number | undefined;
  /** The end of the program's log. */
  readonly log: string;

  /** Stops the sandbox, if `startSandbox` started it. Further calls do nothing. */
  stop(): Promise<void>;
  /** Any call of the sandbox; `GET /_sandbox/openapi.json` describes the calls. */
  call(method: string, path: string, body?: object, query?: Query): Promise<any>;
  /** Resets everything to the start: users, tokens, cards, chaos rules, the time. */
  reset(): Promise<void>;

  /** Makes an app with templates of its own. With `pages` the app has these pages, and others get 41030. */
  newApp(options?: { appid?: string; pages?: string[] }): Promise<App>;
  /** Makes a user and returns the openid. */
  newUser(options?: OfApp): Promise<string>;
  /** Makes users and returns their openids. */
  newUsers(count: number, options?: OfApp): Promise<string[]>;
  /** A `code`, as from `wx.login`. */
  loginCode(options?: OfUser): Promise<string>;
  /** A `form_id`, as from a submitted form. */
  formId(options?: OfUser): Promise<string>;
  formIds(count: number, options?: OfUser): Promise<string[]>;
  /** A `prepay_id`, as from a payment. It is good for 1 to 3 sends (`uses`). */
  prepayId(options?: OfUser & { uses?: number }): Promise<string>;
  /** The user's answer to `wx.requestSubscribeMessage`, `count` times. The default template is `templates.subscribe`. */
  subscribe(options?: OfUser & { templateId?: string; answer?: Answer; count?: number }): Promise<void>;

  /**
   * The cards that users saw, oldest first: of one user, or of all users. With `wait` the answer comes when there are
   * `count` cards, or after `wait` seconds (60 at most). `since` is the id of a card: only later cards are returned.
   */
  inbox(
    options?: OfUser & { wait?: number; count?: number; since?: number | string; limit?: number },
  ): Promise<Card[]>;
  /** Waits until there are `count` cards. Throws `CardsMissing` after `timeout` seconds (5 by default). */
  waitForCards(count: number, options?: OfUser & { timeout?: number }): Promise<Card[]>;
  /** Waits for a card, and returns the newest card. Throws `CardsMissing` after `timeout` seconds (5 by default). */
  waitForCard(options?: OfUser & { timeout?: number }): Promise<Card>;
  /** Deletes the cards of one user, or of all users. Returns the number of deleted cards. */
  clearInbox(options?: OfUser): Promise<number>;

  /** The requests to WeChat's paths: the newest `limit` requests, without secrets. `path` may end in `*`. */
  requests(options?: { path?: string; limit?: number }): Promise<Request[]>;
  /** What the real WeChat would refuse or ignore in the requests so far. */
  complaints(options?: { path?: string }): Promise<Complaint[]>;

  /** Makes requests fail. The rule ends with `remove()`, after `times` hits, or with the block of `await using`. */
  chaos(rule: Chaos): Promise<ChaosRule>;
  /** Removes all chaos rules. */
  clearChaos(): Promise<void>;
  /** Acts as if another program fetched a token: all other tokens of the app become invalid. */
  rotateToken(options?: OfApp): Promise<void>;
  /** Sets the daily quota of a call. Beyond the quota the call gets 45009. */
  setQuota(options: OfApp & { path: string; dailyLimit: number; used?: number }): Promise<void>;

  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A gateway in front of a sandbox, with the sandbox's first app registered. Both share one clock. The gateway keeps its
 * ledger between tests, and does not know of a reset of the sandbox: give each test a user of its own.
 */
export interface Gateway {
  /** The address of the gateway: `/v1`, and WeChat's paths. */
  readonly baseUrl: string;
  /** The API key for `/v1`. */
  readonly apiKey: string;
  /** The value that back ends use as `secret` on WeChat's paths. */
  readonly gatewaySecret: string;
  /** The appid of the registered app. */
  readonly appid: string;
  /** The simulated WeChat behind the gateway. */
  readonly sandbox: Sandbox;
  /** The end of the program's log. */
  readonly log: string;

  /** Any call of the gateway's API with the API key, such as `call("POST", "/v1/messages", {…})`. */
  call(method: string, path: string, body?: object, query?: Query): Promise<any>;
  /** Stops the gateway and the sandbox. Further calls do nothing. */
  stop(): Promise<void>;

  [Symbol.asyncDispose](): Promise<void>;
}

export type Query = Record<string, string | number | boolean | undefined>;

export interface OfApp {
  appid?: string;
}

export interface OfUser extends OfApp {
  openid?: string;
}

export interface Clock {
  now(): Promise<Date>;
  /** Moves the time forwards, or backwards with a negative number. */
  advance(seconds: number): Promise<Date>;
  /** Sets the time: a `Date`, or a text such as `2026-05-01T09:30:00+08:00`. */
  set(to: Date | string): Promise<Date>;
}

/** The ids of an app's first templates. */
export interface Templates {
  /** Template message with `keyword1`, `keyword2`, `keyword3`. */
  legacy: string;
  /** Subscribe message, one message for each acceptance, with `thing1`, `date2`, `amount3`. */
  subscribe: string;
  /** Subscribe message, long-term, with `thing1`, `time2`. */
  longTerm: string;
}

export interface App {
  appid: string;
  appSecret: string;
  templates: Templates;
}

/** A user's answer to `wx.requestSubscribeMessage`. */
export type Answer =
  | "accept"
  | "acceptWithAudio"
  | "acceptWithAlert"
  | "acceptWithForcePush"
  | "reject"
  | "ban"
  | "filter";

/** A message as the user sees it. */
export interface Card {
  id: number;
  msgid: string;
  kind: "subscribe" | "legacy";
  appid: string;
  openid: string;
  templateId: string;
  title: string;
  fields: { name: string; label: string; value: string; color: string | null }[];
  /** The values of the fields by name, such as `{ thing1: "coffee" }`. */
  values: Record<string, string>;
  /** The name of the field that is shown large. */
  emphasis: string | null;
  /** The page that opens when the user taps the card. */
  page: string | null;
  sentAt: Date;
}

/** What the real WeChat would refuse or ignore in a request. */
export interface Complaint {
  code: string;
  detail: string;
  detail_zh: string;
}

/** A request to one of WeChat's paths, without secrets. */
export interface Request {
  time: Date;
  method: string;
  path: string;
  appid: string | null;
  /** WeChat's errcode in the answer; 0 for success; null if there was no answer in WeChat's form. */
  errcode: number | null;
  /** The kind of the chaos rule that hit this request. */
  chaos?: ChaosKind;
  /** The magic id that decided the answer. */
  magic?: string;
  complaints: Complaint[];
}

/** What happens to a request that a chaos rule hits. */
export const ChaosKind: {
  /** The answer is `errcode`; the call is not carried out. */
  readonly ERRCODE: "errcode";
  /** The call is handled `millis` later. */
  readonly LATENCY: "latency";
  /** The call is carried out at once and answered `millis` later. */
  readonly LATE_ANSWER: "late_answer";
  /** The call is carried out and never answered. */
  readonly HANG: "hang";
  /** The connection is reset before the call is carried out. */
  readonly RESET_BEFORE: "reset_before";
  /** The call is carried out, then the connection is reset without an answer. */
  readonly RESET_AFTER: "reset_after";
  /** The call is not carried out; HTTP 502 with a page of HTML. */
  readonly HTTP_5XX: "http_5xx";
  /** The call is carried out; HTTP 200 with half a JSON object. */
  readonly GARBAGE: "garbage";
  /** The call is carried out; half of the answer is written, then the connection is reset. */
  readonly HALF_ANSWER: "half_answer";
};
export type ChaosKind = (typeof ChaosKind)[keyof typeof ChaosKind];

/** A chaos rule. */
export interface Chaos {
  kind: ChaosKind;
  /** The path of the requests; may end in `*`. All paths by default. */
  path?: string;
  /** The answer of the kind `errcode`; -1 by default. */
  errcode?: number;
  /** The delay of the kinds `latency` and `late_answer`. */
  millis?: number;
  /** The share of requests that the rule hits; 1 by default. */
  probability?: number;
  /** After how many hits the rule ends. */
  times?: number;
}

export interface ChaosRule {
  readonly id: number;
  /** How many requests the rule has hit; 0 after the rule was removed. */
  hits(): Promise<number>;
  /** Removes the rule. A rule that has ended or was removed before is no error. */
  remove(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The sandbox or the gateway cannot be started, has ended, or cannot be reached. The text has the program's log. */
export class SandboxError extends Error {}

/** The sandbox or the gateway refused a call. */
export class CallError extends SandboxError {
  /** The HTTP status. */
  readonly status: number;
  /** The reason for programs, such as `unknown_user`. */
  readonly code: string;
}

/** The expected cards did not arrive in time. The text has the requests that the sandbox saw. */
export class CardsMissing extends SandboxError {}
