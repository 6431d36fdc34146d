// What producer and worker share.

export const QUEUE = 'messages';

// BullMQ asks for this setting of its workers: they wait for jobs without giving up.
export const connection = { path: process.env.REDIS_SOCKET, maxRetriesPerRequest: null };

/** Ends well on SIGTERM. @param {() => Promise<void>} close */
export function untilTold(close) {
  process.on('SIGTERM', async () => {
    await close();
    process.exit(0);
  });
}
