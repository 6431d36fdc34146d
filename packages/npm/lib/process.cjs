"use strict";

// Runs the program `hongyan` as a child process.

const { spawn } = require("node:child_process");
const { accessSync, constants } = require("node:fs");
const path = require("node:path");
const { SandboxError } = require("./errors.cjs");

/** How many characters of the log an error shows. */
const LOG_END = 4_000;
/** How long a stop waits before the process is killed. A call that is never answered (`hang`) delays the stop. */
const STOP_MILLIS = 2_000;
/** How long a program may take until it is ready. */
const START_MILLIS = 20_000;

/** The path of the program: $HONGYAN_BINARY, or the program of this package. */
function findBinary() {
  const named = process.env.HONGYAN_BINARY;
  const binary = named || path.join(__dirname, "..", "bin", "hongyan");
  try {
    accessSync(binary, constants.X_OK);
  } catch (error) {
    const why = named
      ? `HONGYAN_BINARY names ${named}, which is not an executable file`
      : `the program hongyan is missing: ${binary} is not there. Install the package again (npm install --force ` +
        "hongyan), or set HONGYAN_BINARY to the path of the program";
    throw new SandboxError(why, { cause: error });
  }
  return binary;
}

/**
 * A running `hongyan sandbox` or `hongyan demo`.
 *
 * The child ends with this process, however this process ends: the child reads the other end of a pipe, which the system
 * closes. This process does not wait for the child.
 */
class Program {
  #shown;
  #child;
  #ended;
  #log = "";
  #stopped = false;

  constructor(args) {
    this.#shown = `hongyan ${args.join(" ")}`;
    this.#child = spawn(findBinary(), [...args, "--json", "--exit-with-parent"], {
      stdio: ["pipe", "pipe", "pipe"],
      // Ctrl-C is for the tests, which may still ask the sandbox while they end.
      detached: true,
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => resolve(signal ? `by ${signal}` : `with exit code ${code}`));
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text) => {
      this.#log = (this.#log + text).slice(-LOG_END);
    });
  }

  /** Starts the program and waits until it is ready. */
  static async start(args, timeout = START_MILLIS) {
    const program = new Program(args);
    let timer;
    try {
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(program.#error(`was not ready after ${timeout} ms.`)), timeout);
      });
      program.ready = await Promise.race([program.#firstLine(), late]);
    } catch (error) {
      await program.stop();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    // A test that forgets to stop must not hang.
    program.#child.unref();
    for (const stream of [program.#child.stdin, program.#child.stdout, program.#child.stderr]) stream.unref();
    return program;
  }

  #firstLine() {
    return new Promise((resolve, reject) => {
      let text = "";
      this.#child.once("error", (error) => {
        reject(this.#error(`cannot be started: ${error.message}. Is the program made for this system?`));
      });
      this.#ended.then((how) => reject(this.#error(`ended ${how} before it was ready.`)));
      this.#child.stdout.setEncoding("utf8").on("data", (piece) => {
        text += piece;
        const end = text.indexOf("\n");
        if (end >= 0) resolve(JSON.parse(text.slice(0, end)));
      });
    });
  }

  #error(what) {
    const log = this.#log.trim();
    return new SandboxError(`\`${this.#shown}\` ${what} ${log ? `Its log:\n${log}` : "Its log is empty."}`);
  }

  /** The id of the process. */
  get pid() {
    return this.#child.pid;
  }

  /** The end of the program's log. */
  get log() {
    return this.#log;
  }

  /** Why the process has ended; undefined while the process runs. */
  async reasonOfEnd() {
    if (this.#stopped) return `\`${this.#shown}\` was stopped`;
    // A connection breaks a moment before the process has ended.
    const how = await within(this.#ended, 200);
    return how && this.#error(`has ended ${how}.`).message;
  }

  /** Stops the process and waits for its end. Further calls do nothing. */
  async stop() {
    this.#stopped = true;
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.ref();
    this.#child.kill("SIGTERM");
    if ((await within(this.#ended, STOP_MILLIS)) === undefined) {
      this.#child.kill("SIGKILL");
      await this.#ended;
    }
  }
}

/** What a promise gives; undefined if that takes longer. */
async function within(promise, millis) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, millis);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

module.exports = { Program, findBinary };
