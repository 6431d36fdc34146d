// Where the running services are. `cargo xtask test` and `hongyan demo --json` know; see README.md.

/** @param {string} name */
function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these tests need a running sandbox, see web-tests/README.md`);
  return value;
}

export const sandbox = required('HONGYAN_SANDBOX');
export const who = { appid: required('HONGYAN_APPID'), openid: required('HONGYAN_OPENID') };

/** The back end itself; by default through the sandbox, which forwards to the one it knows. */
export const backend = process.env.HONGYAN_BACKEND || `${sandbox}/backend`;

/**
 * A call of the sandbox.
 * @param {string} path
 * @param {object} [body]
 * @param {string} [method] by default a GET without a body, a POST with one
 */
export async function ask(path, body, method = body ? 'POST' : 'GET') {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(sandbox + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

/** What the user saw, oldest first. */
export const inbox = () => ask(`/_sandbox/inbox?${new URLSearchParams(who)}`);

/**
 * Resolves with the first card of the user for which `is` holds, as soon as it is there: nothing is polled.
 * @param {(card: any) => boolean} is
 */
export async function cardWhere(is) {
  const stop = new AbortController();
  const stream = await fetch(`${sandbox}/_sandbox/events?${new URLSearchParams(who)}`, { signal: stop.signal });
  if (!stream.body) throw new Error('the sandbox answered no events');
  // Subscribed first, then asked: a card that came before is in the inbox, a later one in the stream.
  let card = (await inbox()).find(is);
  const decoder = new TextDecoder();
  let rest = '';
  const reader = stream.body.getReader();
  while (!card) {
    const { value, done } = await reader.read();
    if (done) throw new Error('the sandbox closed its events before the card came');
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    card = lines.filter((line) => line.startsWith('data:')).map((line) => JSON.parse(line.slice(5)))
      .find((item) => item.fields && is(item));
  }
  stop.abort();
  return card;
}

/** @param {string} text a whole field of the card */
export const cardWith = (text) => cardWhere(({ fields }) => fields.some(({ value }) => value === text));
