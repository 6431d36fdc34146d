// Shared by the producer and the worker.

export const QUEUE = 'messages';

// BullMQ requires `maxRetriesPerRequest: null` for workers: a worker waits for jobs without giving up.
export const connection = { path: process.env.REDIS_SOCKET, maxRetriesPerRequest: null };

/** Closes and exits on SIGTERM. @param {() => Promise<void>} close */
export function untilTold(close) {
  process.on('SIGTERM', async () => {
    await close();
    process.exit(0);
  });
}
