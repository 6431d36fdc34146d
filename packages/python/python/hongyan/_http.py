"""HTTP with JSON, by the standard library alone."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Callable, Dict, Mapping, Optional

from ._errors import CallError, SandboxError

# Proxies of the environment are not for a program on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Api:
    """Calls one server. `why_dead` says why the server does not answer, if the reason is known."""

    def __init__(
        self, base_url: str, headers: Mapping[str, str], why_dead: Callable[[], Optional[str]]
    ) -> None:
        self._base_url = base_url
        self._headers = dict(headers)
        self._why_dead = why_dead

    def call(
        self,
        method: str,
        path: str,
        body: Optional[object] = None,
        query: Optional[Mapping[str, object]] = None,
        timeout: float = 30.0,
    ) -> Any:
        """Sends a request and returns the answer, read as JSON. Values of `None` are left out of `query`."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        url = self._base_url + path + ("?" + urllib.parse.urlencode(given) if given else "")
        headers: Dict[str, str] = dict(self._headers)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with _opener.open(request, timeout=timeout) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code, error.read()) from None
        except (OSError, http.client.HTTPException) as error:
            why = self._why_dead() or f"{self._base_url} does not answer"
            raise SandboxError(f"{method} {path}: {error}. {why}") from error
        return json.loads(text) if text else None


def _refusal(status: int, body: bytes) -> CallError:
    try:
        answer = json.loads(body)
        # The sandbox writes `error`, the gateway writes problems (RFC 9457).
        return CallError(status, str(answer["code"]), str(answer.get("error") or answer.get("detail")))
    except (ValueError, KeyError, TypeError):
        return CallError(status, "no_json", body[:200].decode("utf-8", "replace") or "an empty answer")
