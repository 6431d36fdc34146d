"""Programs of others that run beside a test, and the demo that they talk to."""

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

#: How long something may take that usually takes a second or two.
PATIENCE = 40


class Demo:
    """The running demo, as `cargo xtask test` hands it over."""

    url = os.environ["HONGYAN_URL"]
    key = os.environ["HONGYAN_API_KEY"]
    appid = os.environ["APPID"]
    openid = os.environ["OPENID"]
    template = os.environ["SUBSCRIBE_TEMPLATE"]
    sandbox = os.environ["HONGYAN_SANDBOX"]
    console_login = os.environ["HONGYAN_CONSOLE_LOGIN"]
    #: Host and port.
    address = url.removeprefix("http://")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextlib.contextmanager
def running(command, url, log, context=None):
    """A program that runs until the block ends. The block begins when the program answers at this URL."""
    with open(log, "w", encoding="utf-8") as output:
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        eventually(f"{command[0]} answers", lambda: program.poll() is not None or answers(url, context))
        if program.poll() is not None:
            raise AssertionError(f"{command[0]} ended with {program.returncode}: {open(log, encoding='utf-8').read()}")
        yield program
    finally:
        program.terminate()
        try:
            program.wait(10)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()


def answers(url, context):
    try:
        urllib.request.urlopen(url, timeout=5, context=context).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def eventually(what, ask):
    """What `ask` returns, when it returns something true."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"this does not happen: {what}")
        time.sleep(0.1)
