"""A simulated WeChat for tests.

`Sandbox.start()` starts it; the pytest fixture `wechat_sandbox` does so by itself.
"""

from ._binary import find_binary
from ._errors import CallError, CardsMissing, SandboxError
from ._gateway import Gateway
from ._sandbox import ChaosRule, Clock, Sandbox
from ._types import Answer, App, Card, ChaosKind, Complaint, Field, Request, Templates

__all__ = [
    "Answer",
    "App",
    "CallError",
    "Card",
    "CardsMissing",
    "ChaosKind",
    "ChaosRule",
    "Clock",
    "Complaint",
    "Field",
    "Gateway",
    "Request",
    "Sandbox",
    "SandboxError",
    "Templates",
    "find_binary",
]
