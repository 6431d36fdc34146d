// A back end as tutorials write it: one process, the access token in a global variable. It sends each message to WeChat
// at once, returns WeChat's answer, and stores nothing.
import http from 'node:http';

const WECHAT_HOST = process.env.WECHAT_HOST;
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

let accessToken = '';

function call(method, path, body) {
  const text = body && JSON.stringify(body);
  const headers = text && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const request = http.request(WECHAT_HOST + path, { method, agent, headers }, (response) => {
      let answer = '';
      response.setEncoding('utf8');
      response.on('data', (part) => { answer += part; });
      response.on('end', () => {
        try {
          resolve(JSON.parse(answer));
        } catch (error) {
          reject(error);
        }
      });
    });
    request.on('error', reject);
    request.end(text);
  });
}

async function fetchToken() {
  const query = 'grant_type=client_credential&appid=wxbench0000000000&secret=0123456789abcdef0123456789abcdef';
  accessToken = (await call('GET', `/cgi-bin/token?${query}`)).access_token;
}

async function send({ to, template, page, data }) {
  if (!accessToken) await fetchToken();
  return call('POST', `/cgi-bin/message/subscribe/send?access_token=${accessToken}`, {
    touser: to,
    template_id: template,
    page,
    data: Object.fromEntries(Object.entries(data).map(([name, value]) => [name, { value }])),
  });
}

const server = http.createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8');
  request.on('data', (part) => { text += part; });
  request.on('end', async () => {
    let status = 200;
    let answer;
    try {
      answer = await send(JSON.parse(text));
    } catch (error) {
      console.error(error);
      status = 500;
      answer = { errmsg: error.message };
    }
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(answer));
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
process.on('SIGTERM', () => process.exit(0));
