"use strict";

/** The sandbox or the gateway cannot be started, has ended, or cannot be reached. The text has the program's log. */
class SandboxError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The sandbox or the gateway refused a call. */
class CallError extends SandboxError {
  constructor(status, code, text) {
    super(`${text} (HTTP ${status}, ${code})`);
    this.status = status;
    this.code = code;
  }
}

/** The expected cards did not arrive in time. The text has the requests that the sandbox saw. */
class CardsMissing extends SandboxError {}

module.exports = { SandboxError, CallError, CardsMissing };
