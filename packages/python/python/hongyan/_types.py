"""What the sandbox answers."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Dict, List, Optional


class ChaosKind(str, enum.Enum):
    """What happens to a request that a chaos rule hits."""

    ERRCODE = "errcode"
    """The answer is `errcode`; the call is not carried out."""
    LATENCY = "latency"
    """The call is handled `millis` later."""
    LATE_ANSWER = "late_answer"
    """The call is carried out at once and answered `millis` later."""
    HANG = "hang"
    """The call is carried out and never answered."""
    RESET_BEFORE = "reset_before"
    """The connection is reset before the call is carried out."""
    RESET_AFTER = "reset_after"
    """The call is carried out, then the connection is reset without an answer."""
    HTTP_5XX = "http_5xx"
    """The call is not carried out; HTTP 502 with a page of HTML."""
    GARBAGE = "garbage"
    """The call is carried out; HTTP 200 with half a JSON object."""
    HALF_ANSWER = "half_answer"
    """The call is carried out; half of the answer is written, then the connection is reset."""


class Answer(str, enum.Enum):
    """A user's answer to `wx.requestSubscribeMessage`."""

    ACCEPT = "accept"
    ACCEPT_WITH_AUDIO = "acceptWithAudio"
    ACCEPT_WITH_ALERT = "acceptWithAlert"
    ACCEPT_WITH_FORCE_PUSH = "acceptWithForcePush"
    REJECT = "reject"
    BAN = "ban"
    FILTER = "filter"


@dataclass(frozen=True)
class Templates:
    """The ids of an app's first templates."""

    legacy: str
    """Template message with `keyword1`, `keyword2`, `keyword3`."""
    subscribe: str
    """Subscribe message, one message for each acceptance, with `thing1`, `date2`, `amount3`."""
    long_term: str
    """Subscribe message, long-term, with `thing1`, `time2`."""


@dataclass(frozen=True)
class App:
    """A mini program of the sandbox."""

    appid: str
    app_secret: str
    templates: Templates


@dataclass(frozen=True)
class Field:
    """One line of a card."""

    name: str
    label: str
    value: str
    color: Optional[str]


@dataclass(frozen=True)
class Card:
    """A message as the user sees it."""

    id: int
    msgid: str
    kind: str
    """`subscribe` or `legacy`."""
    appid: str
    openid: str
    template_id: str
    title: str
    fields: List[Field]
    emphasis: Optional[str]
    """The name of the field that is shown large."""
    page: Optional[str]
    """The page that opens when the user taps the card."""
    sent_at: datetime

    @property
    def values(self) -> Dict[str, str]:
        """The values of the fields by name, such as `{"thing1": "coffee"}`."""
        return {field.name: field.value for field in self.fields}

    def __getitem__(self, name: str) -> str:
        """The value of a field."""
        return self.values[name]


@dataclass(frozen=True)
class Complaint:
    """What the real WeChat would refuse or ignore in a request."""

    code: str
    detail: str
    detail_zh: str


@dataclass(frozen=True)
class Request:
    """A request to one of WeChat's paths, without secrets."""

    time: datetime
    method: str
    path: str
    appid: Optional[str]
    errcode: Optional[int]
    """WeChat's errcode in the answer; 0 for success; `None` if there was no answer in WeChat's form."""
    chaos: Optional[str]
    """The kind of the chaos rule that hit this request."""
    magic: Optional[str]
    """The magic id that decided the answer."""
    complaints: List[Complaint]

    def __str__(self) -> str:
        return f"{self.method} {self.path} → errcode {self.errcode}" + (
            f" (chaos: {self.chaos})" if self.chaos else ""
        )


def moment(text: str) -> datetime:
    """Reads a time of the sandbox, such as `2026-05-01T01:30:00.250Z`."""
    # Before Python 3.11 fromisoformat reads neither `Z` nor a fraction of any length.
    date, dot, fraction = text.rstrip("Z").partition(".")
    micros = "." + (fraction + "000000")[:6] if dot else ""
    return datetime.fromisoformat(date + micros + "+00:00")


def card(answer: Dict[str, Any]) -> Card:
    """Reads a card."""
    return Card(
        id=answer["id"],
        msgid=answer["msgid"],
        kind=answer["kind"],
        appid=answer["appid"],
        openid=answer["openid"],
        template_id=answer["template_id"],
        title=answer["title"],
        fields=[Field(line["name"], line["label"], line["value"], line["color"]) for line in answer["fields"]],
        emphasis=answer["emphasis"],
        page=answer["page"],
        sent_at=moment(answer["sent_at"]),
    )


def request(answer: Dict[str, Any]) -> Request:
    """Reads a request of the log."""
    return Request(
        time=moment(answer["time"]),
        method=answer["method"],
        path=answer["path"],
        appid=answer["appid"],
        errcode=answer["errcode"],
        chaos=answer.get("chaos"),
        magic=answer.get("magic"),
        complaints=[Complaint(of["code"], of["detail"], of["detail_zh"]) for of in answer["complaints"]],
    )
