// The types for CommonJS.

import hongyan = require("hongyan");

export async function start(): Promise<hongyan.Sandbox> {
  const sandbox: hongyan.Sandbox = await hongyan.startSandbox();
  await sandbox.rotateToken();
  return sandbox;
}
