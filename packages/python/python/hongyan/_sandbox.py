"""The sandbox: a simulated WeChat platform."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from . import _types
from ._errors import CallError, CardsMissing
from ._http import Api
from ._process import Process
from ._types import Answer, App, Card, ChaosKind, Complaint, Request, Templates

#: How long a program may take until it is ready, in seconds.
START_SECONDS = 20.0

#: The longest wait that the sandbox accepts in one request, in seconds.
MAX_WAIT = 60.0


class ChaosRule:
    """A rule that makes requests fail. As a context manager the rule ends with the block."""

    def __init__(self, api: Api, id: int) -> None:
        self._api = api
        self.id = id

    @property
    def hits(self) -> int:
        """How many requests the rule has hit; 0 after the rule was removed."""
        rules: List[Dict[str, Any]] = self._api.call("GET", "/_sandbox/chaos")["rules"]
        return sum(int(rule["hits"]) for rule in rules if rule["id"] == self.id)

    def remove(self) -> None:
        """Removes the rule. A rule that has ended or was removed before is no error."""
        try:
            self._api.call("DELETE", f"/_sandbox/chaos/{self.id}")
        except CallError as error:
            if error.code != "unknown_rule":
                raise

    def __enter__(self) -> ChaosRule:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Clock:
    """The time of the sandbox. A test can move it: tokens expire, quotas start again."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def now(self) -> datetime:
        """The time, in UTC."""
        return _types.moment(self._api.call("GET", "/_sandbox/clock")["now"])

    def advance(self, by: Union[timedelta, int]) -> datetime:
        """Moves the time forwards, or backwards with a negative number: a `timedelta`, or whole seconds."""
        seconds = int(by.total_seconds()) if isinstance(by, timedelta) else by
        return self._move({"advance_seconds": seconds})

    def set(self, to: Union[datetime, str]) -> datetime:
        """Sets the time: a `datetime` with a time zone, or a text such as `2026-05-01T09:30:00+08:00`."""
        if isinstance(to, datetime):
            if to.tzinfo is None:
                raise ValueError(f"{to!r} has no time zone, as in datetime(2026, 5, 1, tzinfo=timezone.utc)")
            to = to.astimezone(timezone.utc).isoformat()
        return self._move({"set": to})

    def _move(self, body: Mapping[str, object]) -> datetime:
        return _types.moment(self._api.call("POST", "/_sandbox/clock", body)["now"])


class Sandbox:
    """A sandbox, with its first app and its first user.

    Calls about an app or a user take `appid` and `openid`; the defaults are the first app and the first user.
    """

    def __init__(self, base_url: str, process: Optional[Process] = None) -> None:
        self.base_url = base_url.rstrip("/")
        """The address to use in place of `https://api.weixin.qq.com`."""
        self._process = process
        self._api = Api(self.base_url, {}, lambda: process.reason_of_end() if process else None)
        self.clock = Clock(self._api)
        seed = self._api.call("GET", "/_sandbox/seed")
        self._app = _app(seed)
        self.openid: str = seed["openid"]
        """The first user."""

    @classmethod
    def start(cls, *arguments: str, timeout: float = START_SECONDS) -> Sandbox:
        """Starts a sandbox on a free port; `arguments` are further arguments of `hongyan sandbox`."""
        process = Process(["sandbox", "--listen", "127.0.0.1:0", *arguments], timeout)
        try:
            return cls(process.ready["sandbox"], process)
        except BaseException:
            process.stop()
            raise

    @classmethod
    def connect(cls, base_url: str) -> Sandbox:
        """Uses a sandbox that runs already, for example in a container."""
        return cls(base_url)

    @property
    def appid(self) -> str:
        """The appid of the first app."""
        return self._app.appid

    @property
    def app_secret(self) -> str:
        """The AppSecret of the first app."""
        return self._app.app_secret

    @property
    def templates(self) -> Templates:
        """The templates of the first app."""
        return self._app.templates

    @property
    def pid(self) -> Optional[int]:
        """The id of the process; `None` if another program started the sandbox."""
        return self._process.pid if self._process else None

    def log(self) -> str:
        """The end of the program's log."""
        return self._process.log() if self._process else ""

    def stop(self) -> None:
        """Stops the sandbox, if `start` started it. Further calls do nothing."""
        if self._process:
            self._process.stop()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def call(
        self,
        method: str,
        path: str,
        body: Optional[Mapping[str, object]] = None,
        query: Optional[Mapping[str, object]] = None,
        timeout: float = 30.0,
    ) -> Any:
        """Any call of the sandbox; `GET /_sandbox/openapi.json` describes the calls."""
        return self._api.call(method, path, body, query, timeout)

    def reset(self) -> None:
        """Resets everything to the start: users, tokens, cards, chaos rules, the time."""
        self.call("POST", "/_sandbox/reset", {})

    # What users do

    def new_app(self, appid: Optional[str] = None, pages: Optional[Sequence[str]] = None) -> App:
        """Makes an app with templates of its own. With `pages` the app has these pages, and others get 41030."""
        body: Dict[str, object] = {}
        if appid is not None:
            body["appid"] = appid
        if pages is not None:
            body["pages"] = list(pages)
        return _app(self.call("POST", "/_sandbox/apps", body))

    def new_user(self, appid: Optional[str] = None) -> str:
        """Makes a user and returns the openid."""
        return self.new_users(1, appid)[0]

    def new_users(self, count: int, appid: Optional[str] = None) -> List[str]:
        """Makes users and returns their openids."""
        answer = self.call("POST", "/_sandbox/users", {"appid": appid or self.appid, "count": count})
        openids: List[str] = answer["openids"]
        return openids

    def login_code(self, openid: Optional[str] = None, appid: Optional[str] = None) -> str:
        """A `code`, as from `wx.login`."""
        return str(self.call("POST", "/_sandbox/login", self._user(openid, appid))["code"])

    def form_id(self, openid: Optional[str] = None, appid: Optional[str] = None) -> str:
        """A `form_id`, as from a submitted form."""
        return self.form_ids(1, openid, appid)[0]

    def form_ids(self, count: int, openid: Optional[str] = None, appid: Optional[str] = None) -> List[str]:
        """As `form_id`, several times."""
        answer = self.call("POST", "/_sandbox/forms", {**self._user(openid, appid), "count": count})
        form_ids: List[str] = answer["form_ids"]
        return form_ids

    def prepay_id(self, openid: Optional[str] = None, appid: Optional[str] = None, uses: int = 1) -> str:
        """A `prepay_id`, as from a payment. It is good for 1 to 3 sends."""
        return str(self.call("POST", "/_sandbox/payments", {**self._user(openid, appid), "uses": uses})["prepay_id"])

    def subscribe(
        self,
        openid: Optional[str] = None,
        template_id: Optional[str] = None,
        answer: Union[Answer, str] = Answer.ACCEPT,
        count: int = 1,
        appid: Optional[str] = None,
    ) -> None:
        """The user's answer to `wx.requestSubscribeMessage`, `count` times. The default template is `templates.subscribe`."""
        asked = {"template_id": template_id or self.templates.subscribe, "result": Answer(answer).value, "count": count}
        self.call("POST", "/_sandbox/subscriptions", {**self._user(openid, appid), **asked})

    def _user(self, openid: Optional[str], appid: Optional[str]) -> Dict[str, object]:
        return {"appid": appid or self.appid, "openid": openid or self.openid}

    # What users see

    def inbox(
        self,
        openid: Optional[str] = None,
        wait: float = 0,
        count: int = 1,
        appid: Optional[str] = None,
        since: Optional[Union[int, str]] = None,
        limit: Optional[int] = None,
    ) -> List[Card]:
        """The cards that users saw, oldest first: of one user, or of all users.

        With `wait` the answer comes when there are `count` cards, or after `wait` seconds (60 at most).
        `since` is the id of a card: only later cards are returned.
        """
        query = {
            # A user belongs to an app.
            "appid": appid or (self.appid if openid else None),
            "openid": openid,
            "wait": wait or None,
            "count": count if wait else None,
            "since": since,
            "limit": limit,
        }
        answer = self.call("GET", "/_sandbox/inbox", query=query, timeout=wait + 30)
        return [_types.card(card) for card in answer]

    def wait_for_cards(
        self,
        count: int,
        openid: Optional[str] = None,
        timeout: float = 5.0,
        appid: Optional[str] = None,
    ) -> List[Card]:
        """Waits until there are `count` cards. Fails with the last requests if the cards do not arrive in time."""
        cards = self.inbox(openid, min(timeout, MAX_WAIT), count, appid)
        if len(cards) < count:
            asked = "\n".join(f"  {request}" for request in self.requests(limit=20)) or "  no request"
            raise CardsMissing(
                f"{len(cards)} of {count} cards arrived within {timeout:g} s. WeChat was asked:\n{asked}"
            )
        return cards

    def wait_for_card(
        self, openid: Optional[str] = None, timeout: float = 5.0, appid: Optional[str] = None
    ) -> Card:
        """Waits for a card, and returns the newest card."""
        return self.wait_for_cards(1, openid, timeout, appid)[-1]

    def clear_inbox(self, openid: Optional[str] = None, appid: Optional[str] = None) -> int:
        """Deletes the cards of one user, or of all users. Returns the number of deleted cards."""
        query = {"appid": appid or (self.appid if openid else None), "openid": openid}
        return int(self.call("DELETE", "/_sandbox/inbox", query=query)["deleted"])

    # What the platform was asked

    def requests(self, path: Optional[str] = None, limit: Optional[int] = None) -> List[Request]:
        """The requests to WeChat's paths: the newest `limit` requests, without secrets. `path` may end in `*`."""
        answer = self.call("GET", "/_sandbox/requests", query={"path": path, "limit": limit})
        return [_types.request(request) for request in answer]

    def complaints(self, path: Optional[str] = None) -> List[Complaint]:
        """What the real WeChat would refuse or ignore in the requests so far."""
        return [complaint for request in self.requests(path) for complaint in request.complaints]

    # Faults

    def chaos(
        self,
        kind: Union[ChaosKind, str],
        path: str = "*",
        *,
        errcode: int = -1,
        millis: int = 0,
        probability: float = 1.0,
        times: Optional[int] = None,
    ) -> ChaosRule:
        """Makes requests to `path` fail, `times` times. `path` may end in `*`. As a context manager the rule ends with the block:

            with sandbox.chaos(ChaosKind.ERRCODE, errcode=-1, times=2):
                shop.pay(order)
        """
        rule = {
            "kind": ChaosKind(kind).value,
            "path": path,
            "errcode": errcode,
            "millis": millis,
            "probability": probability,
            "times": times,
        }
        return ChaosRule(self._api, int(self.call("POST", "/_sandbox/chaos", rule)["id"]))

    def clear_chaos(self) -> None:
        """Removes all chaos rules."""
        self.call("DELETE", "/_sandbox/chaos")

    def rotate_token(self, appid: Optional[str] = None) -> None:
        """Acts as if another program fetched a token: all other tokens of the app become invalid."""
        self.call("POST", "/_sandbox/tokens/rotate", {"appid": appid or self.appid})

    def set_quota(self, path: str, daily_limit: int, used: int = 0, appid: Optional[str] = None) -> None:
        """Sets the daily quota of a call. Beyond the quota the call gets 45009."""
        quota = {"appid": appid or self.appid, "path": path, "daily_limit": daily_limit, "used": used}
        self.call("POST", "/_sandbox/quotas", quota)


def _app(answer: Dict[str, Any]) -> App:
    ids = answer["templates"]
    return App(
        answer["appid"], answer["app_secret"], Templates(ids["legacy"], ids["subscribe"], ids["long_term"])
    )
