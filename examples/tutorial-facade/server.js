// The tutorial's back end as tutorials wrote it: it speaks WeChat's own API and knows nothing of Hongyan.
// To put it behind the gateway's facade, change the host and the secret, and nothing else.
const crypto = require('crypto');
const http = require('http');

const WECHAT_HOST = process.env.WECHAT_HOST || 'https://api.weixin.qq.com';
const { APPID, SECRET, TEMPLATE_ID } = process.env;

let accessToken = ''; // one global variable: a second process would kill this token by fetching its own
const sessions = {}; // session → openid

async function call(path, body) {
  const options = body && { method: 'POST', body: JSON.stringify(body) };
  const answer = await (await fetch(WECHAT_HOST + path, options)).json();
  if (answer.errcode) throw Object.assign(new Error(answer.errmsg), { answer });
  return answer;
}

async function fetchToken() {
  const query = `grant_type=client_credential&appid=${APPID}&secret=${SECRET}`;
  accessToken = (await call(`/cgi-bin/token?${query}`)).access_token;
}

async function onLogin({ code }) {
  const query = `appid=${APPID}&secret=${SECRET}&js_code=${code}&grant_type=authorization_code`;
  const { openid } = await call(`/sns/jscode2session?${query}`);
  const session = crypto.randomUUID();
  sessions[session] = openid;
  return { session };
}

async function template({ input, formId, prepayId, code, session }) {
  if (!sessions[session]) session = (await onLogin({ code })).session;
  if (!accessToken) await fetchToken();
  return call(`/cgi-bin/message/wxopen/template/send?access_token=${accessToken}`, {
    touser: sessions[session],
    template_id: TEMPLATE_ID,
    page: 'pages/index/index?from=card',
    form_id: formId || prepayId,
    data: {
      keyword1: { value: input, color: '#173177' },
      keyword2: { value: new Date().toLocaleString('zh-CN', { timeZone: 'Asia/Shanghai' }) },
      keyword3: { value: '已受理' },
    },
    emphasis_keyword: 'keyword1.DATA',
  });
}

const routes = { '/onLogin': onLogin, '/template': template };

const server = http.createServer((request, response) => {
  let text = '';
  request.on('data', (part) => { text += part; });
  request.on('end', async () => {
    let status = 200;
    let answer;
    try {
      answer = await routes[request.url](JSON.parse(text));
    } catch (error) {
      status = 500;
      answer = error.answer || { errmsg: String(error) };
    }
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(answer));
  });
});

server.listen(process.env.PORT || 3000, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

// A token lives two hours. Nobody notices when this fails, or when somebody else fetches one in between.
setInterval(() => fetchToken().catch(console.error), 7000 * 1000);
