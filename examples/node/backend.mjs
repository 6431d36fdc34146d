// The tutorial's back end on Hongyan: Node 20, standard library only; ../python/backend.py behaves the same.
// No access token, no AppSecret, no list of form ids, no retries here: those are the gateway's work.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';

const env = (name) => process.env[name] || (console.error(`${name} is not set`), process.exit(1));
const [gateway, key, app] = ['HONGYAN_URL', 'HONGYAN_API_KEY', 'APPID'].map(env);
const [legacyTemplate, subscribeTemplate] = ['LEGACY_TEMPLATE', 'SUBSCRIBE_TEMPLATE'].map(env);
const sessions = new Map(); // our session → openid, so that the openid never leaves the server
const problem = (status, body) => Object.assign(new Error(body.detail ?? body), { status, body });

async function hongyan(path, body) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const answer = await fetch(gateway + path, { method: 'POST', headers, body: JSON.stringify({ app, ...body }) })
    .catch(() => { throw problem(502, { code: 'gateway_unreachable', detail: `no answer from ${gateway}` }); });
  if (!answer.ok) throw problem(answer.status, await answer.text()); // the gateway explains itself: pass it on
  return answer.json();
}
async function onLogin({ code }) {
  const [session, { openid }] = [randomUUID(), await hongyan('/v1/login', { code })];
  sessions.set(session, openid);
  return { session };
}
async function openidOf({ session, code }) {
  if (!sessions.has(session) && code) ({ session } = await onLogin({ code }));
  if (!sessions.has(session)) throw problem(401, { code: 'session_unknown', detail: 'log in again' });
  return sessions.get(session);
}
async function message(body) {
  const { id, state } = await hongyan('/v1/messages', { page: 'pages/index/index?from=card', ...body });
  return { id, state };
}
function now() { // as WeChat's `date` fields take it, in China's time
  const [year, month, day, hour, minute] = new Date(Date.now() + 8 * 3_600_000).toISOString().split(/[-T:]/);
  return `${year}年${month}月${day}日 ${hour}:${minute}`;
}
async function template({ input, formId, prepayId, ...who }) {
  const to = await openidOf(who);
  await hongyan('/v1/permits', { openid: to, kind: prepayId ? 'payment' : 'form', code: prepayId || formId });
  const data = { keyword1: { value: input, color: '#173177' }, keyword2: { value: now() }, keyword3: { value: '已受理' } };
  return message({ to, template: legacyTemplate, data, emphasis_keyword: 'keyword1.DATA' });
}
async function subscribe({ template: wanted = subscribeTemplate, result, input, ...who }) {
  const to = await openidOf(who);
  if (!`${result}`.startsWith('accept')) return { state: 'not_sent' }; // the user said no: nothing to record
  await hongyan('/v1/permits', { openid: to, kind: 'subscribe_once', template: wanted });
  const thing1 = [...`${input || '拿铁咖啡'}`].slice(0, 20).join(''); // a `thing` has at most 20 characters
  return message({ to, template: wanted, data: { thing1, date2: now(), amount3: '¥18.00' } });
}
const notFound = () => { throw problem(404, { code: 'not_found', detail: '/onLogin, /template, /subscribe' }); };
const routes = new Map(Object.entries({ '/onLogin': onLogin, '/template': template, '/subscribe': subscribe }));
const server = createServer(async (request, response) => {
  const work = json(request).then(routes.get(request.url) ?? notFound);
  const [status, body] = await work.then((ok) => [200, ok], (error) => [error.status ?? 500, error.body ?? { detail: `${error}` }]);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
});
server.listen(process.env.PORT || 3000, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
