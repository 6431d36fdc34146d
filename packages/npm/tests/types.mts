// Uses every part of the types. `tsc` compiles this file, and nothing runs it.

import {
  CallError,
  CardsMissing,
  ChaosKind,
  SandboxError,
  connectSandbox,
  findBinary,
  startGateway,
  startSandbox,
  type Answer,
  type Card,
  type Complaint,
  type Request,
} from "hongyan";

await using sandbox = await startSandbox({ args: ["--keep", "cards=10"], timeout: 5_000 });
const texts: string[] = [sandbox.baseUrl, sandbox.appid, sandbox.appSecret, sandbox.templates.longTerm, findBinary()];
const user: string = await sandbox.newUser({ appid: (await sandbox.newApp({ pages: [] })).appid });
const answer: Answer = "acceptWithAudio";
await sandbox.subscribe({ openid: user, answer, count: 2 });
const card: Card = await sandbox.waitForCard({ openid: user, timeout: 1 });
const value: string | undefined = card.values["thing1"];
const time: number = card.sentAt.getTime() + (await sandbox.clock.advance(60)).getTime();
const requests: Request[] = await sandbox.requests({ path: "/cgi-bin/*", limit: 10 });
const complaints: Complaint[] = await sandbox.complaints();
{
  await using rule = await sandbox.chaos({ kind: ChaosKind.HTTP_5XX, path: "/sns/*", times: 1 });
  const hits: number = await rule.hits();
  await sandbox.chaos({ kind: "latency", millis: hits });
}
// @ts-expect-error: there is no such kind.
await sandbox.chaos({ kind: "flood" });
// @ts-expect-error: there is no such answer.
await sandbox.subscribe({ answer: "perhaps" });

const gateway = await startGateway();
const state: string = (await gateway.call("GET", "/v1/messages", undefined, { limit: 1 })).state;
await gateway.sandbox.inbox({ wait: 1, count: 2, since: 3 });
await gateway.stop();

try {
  await (await connectSandbox("http://127.0.0.1:8790")).setQuota({ path: "/sns/jscode2session", dailyLimit: 1 });
} catch (error) {
  if (error instanceof CallError) console.log(error.status + error.code.length);
  if (error instanceof CardsMissing || error instanceof SandboxError) console.log(error.message);
}
export { complaints, requests, state, texts, time, value };
