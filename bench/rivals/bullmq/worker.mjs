// The worker: takes jobs, 64 at a time, and sends them to WeChat over kept connections.
import http from 'node:http';
import { Worker } from 'bullmq';
import { connection, QUEUE, untilTold } from './shared.mjs';

const CONCURRENCY = 64;
const agent = new http.Agent({ keepAlive: true, maxSockets: CONCURRENCY });
const url = new URL('/cgi-bin/message/subscribe/send?access_token=bench-token', process.env.WECHAT_HOST);

/** @param {{ to: string, template: string, page: string, data: Record<string, string> }} message */
function send(message) {
  const body = JSON.stringify({
    touser: message.to,
    template_id: message.template,
    page: message.page,
    data: Object.fromEntries(Object.entries(message.data).map(([name, value]) => [name, { value }])),
  });
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'POST', agent, headers }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => {
        try {
          const answer = JSON.parse(Buffer.concat(parts));
          answer.errcode === 0 ? resolve() : reject(new Error(answer.errmsg));
        } catch (error) {
          reject(error);
        }
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

const worker = new Worker(QUEUE, (job) => send(job.data), { connection, concurrency: CONCURRENCY });
worker.on('failed', (job, error) => console.error(job?.id, error));
worker.on('error', (error) => console.error(error));
await worker.waitUntilReady();
console.log('working');
untilTold(() => worker.close());
