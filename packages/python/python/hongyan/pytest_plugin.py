"""Fixtures for pytest. Each process of pytest-xdist starts a sandbox of its own."""

from __future__ import annotations

import os
from typing import Iterator

import pytest

from ._gateway import Gateway
from ._sandbox import Sandbox

#: The address of a running sandbox, which the fixtures then use.
VARIABLE = "HONGYAN_SANDBOX"


@pytest.fixture(scope="session")
def wechat_sandbox_process() -> Iterator[Sandbox]:
    """One sandbox for all tests of this process, for fixtures that live as long: nothing resets it by itself."""
    running = os.environ.get(VARIABLE)
    with Sandbox.connect(running) if running else Sandbox.start() as sandbox:
        yield sandbox


@pytest.fixture
def wechat_sandbox(wechat_sandbox_process: Sandbox) -> Sandbox:
    """A simulated WeChat as new. The process is shared by all tests, and is reset before each test."""
    wechat_sandbox_process.reset()
    return wechat_sandbox_process


@pytest.fixture(scope="session")
def hongyan_gateway() -> Iterator[Gateway]:
    """A gateway with a sandbox behind it, for all tests of this process. Give each test a user of its own."""
    with Gateway.start() as gateway:
        yield gateway
