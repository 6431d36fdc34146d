// The producer: takes a message, puts a job into Redis, answers 202 when Redis has it.
import http from 'node:http';
import { Queue } from 'bullmq';
import { connection, QUEUE, untilTold } from './shared.mjs';

const queue = new Queue(QUEUE, {
  connection,
  // Redis keeps nothing of a finished job, so that it has the least work.
  defaultJobOptions: { removeOnComplete: true },
});
await queue.waitUntilReady();

const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', async () => {
    let status = 202;
    try {
      await queue.add('message', JSON.parse(Buffer.concat(parts)));
    } catch (error) {
      console.error(error);
      status = 500;
    }
    response.writeHead(status).end();
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
untilTold(() => queue.close());
