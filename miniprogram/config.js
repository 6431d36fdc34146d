// What differs between your machine and production. The host must be listed in the mini program's settings as a
// request domain; the developer tools skip that check while `urlCheck` is off in project.config.json.
module.exports = {
  /** Where the back end listens (examples/node or examples/python). */
  backend: 'http://127.0.0.1:3000',
  /** The template that "Subscribe" asks for: an id of your account. This one is the sandbox's. */
  subscribeTemplate: 'SandboxSubscribeTemplate-Paid-0000000000001',
};
