"""The gateway, with a sandbox behind it."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from ._http import Api
from ._process import Process
from ._sandbox import START_SECONDS, Sandbox


class Gateway:
    """A gateway in front of a sandbox, with the sandbox's first app registered.

    The gateway and the sandbox share one clock. The gateway keeps its ledger between tests, and does not know of a reset of
    the sandbox: give each test a user of its own (`gateway.sandbox.new_user()`).
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        ready = process.ready
        self.base_url: str = ready["gateway"]
        """The address of the gateway: `/v1`, and WeChat's paths."""
        self.api_key: str = ready["api_key"]
        """The API key for `/v1`."""
        self.gateway_secret: str = ready["gateway_secret"]
        """The value that back ends use as `secret` on WeChat's paths."""
        self.sandbox = Sandbox(ready["sandbox"], process)
        """The simulated WeChat behind the gateway."""
        self._api = Api(self.base_url, {"Authorization": f"Bearer {self.api_key}"}, process.reason_of_end)

    @classmethod
    def start(cls, *arguments: str, timeout: float = START_SECONDS) -> Gateway:
        """Starts both on free ports; `arguments` are further arguments of `hongyan demo`."""
        listen = ["--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"]
        process = Process(["demo", *listen, *arguments], timeout)
        try:
            return cls(process)
        except BaseException:
            process.stop()
            raise

    @property
    def appid(self) -> str:
        """The appid of the registered app."""
        return self.sandbox.appid

    def call(
        self,
        method: str,
        path: str,
        body: Optional[Mapping[str, object]] = None,
        query: Optional[Mapping[str, object]] = None,
        timeout: float = 40.0,
    ) -> Any:
        """Any call of the gateway's API with the API key, such as `call("POST", "/v1/messages", {…})`."""
        return self._api.call(method, path, body, query, timeout)

    def log(self) -> str:
        """The end of the program's log."""
        return self._process.log()

    def stop(self) -> None:
        """Stops the gateway and the sandbox. Further calls do nothing."""
        self._process.stop()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
