"""The errors of this package."""

from __future__ import annotations


class SandboxError(Exception):
    """The sandbox or the gateway cannot be started, has ended, or cannot be reached. The text has the program's log."""


class CallError(SandboxError):
    """The sandbox or the gateway refused a call."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(f"{text} (HTTP {status}, {code})")
        self.status = status
        """The HTTP status."""
        self.code = code
        """The reason for programs, such as `unknown_user`."""


class CardsMissing(AssertionError):
    """The expected cards did not arrive in time. The text has the requests that the sandbox saw."""
