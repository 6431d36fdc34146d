"""The kit itself: what it says when something is wrong, and that no process is left behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hongyan import (
    Answer,
    CallError,
    CardsMissing,
    ChaosKind,
    Gateway,
    Sandbox,
    SandboxError,
    find_binary,
)


def send(sandbox: Sandbox, openid: str) -> int:
    """Sends a subscribe message as a back end does. Returns the errcode."""
    login = {"grant_type": "client_credential", "appid": sandbox.appid, "secret": sandbox.app_secret}
    token = sandbox.call("POST", "/cgi-bin/stable_token", login)["access_token"]
    message = {
        "touser": openid,
        "template_id": sandbox.templates.subscribe,
        "data": {name: {"value": value} for name, value in [("thing1", "茶"), ("date2", "2026-05-01"), ("amount3", "1")]},
    }
    answer = sandbox.call("POST", "/cgi-bin/message/subscribe/send", message, {"access_token": token})
    return int(answer["errcode"])


def test_users_have_everything_that_a_mini_program_gives(wechat_sandbox: Sandbox) -> None:
    first, second = wechat_sandbox.new_users(2)
    assert first != second
    assert wechat_sandbox.login_code(first)
    assert len(set(wechat_sandbox.form_ids(3, first))) == 3
    assert wechat_sandbox.form_id(first)
    assert wechat_sandbox.prepay_id(first, uses=3)
    app = wechat_sandbox.new_app(pages=["pages/index/index"])
    assert wechat_sandbox.login_code(wechat_sandbox.new_user(app.appid), app.appid)


def test_the_inbox_waits_and_says_what_is_missing(wechat_sandbox: Sandbox) -> None:
    wechat_sandbox.subscribe()
    assert send(wechat_sandbox, wechat_sandbox.openid) == 0
    (card,) = wechat_sandbox.wait_for_cards(1)
    assert (card.kind, card["thing1"], card.sent_at.tzinfo) == ("subscribe", "茶", timezone.utc)
    assert wechat_sandbox.inbox(card.openid) == [card]
    assert wechat_sandbox.inbox(since=card.id) == []
    with pytest.raises(CardsMissing, match=r"(?s)1 of 2 cards.*/cgi-bin/message/subscribe/send → errcode 0"):
        wechat_sandbox.wait_for_cards(2, timeout=0.05)
    assert wechat_sandbox.clear_inbox(card.openid) == 1


def test_answers_and_faults_are_named(wechat_sandbox: Sandbox) -> None:
    wechat_sandbox.subscribe(answer=Answer.REJECT)
    assert send(wechat_sandbox, wechat_sandbox.openid) == 43101
    wechat_sandbox.set_quota("/cgi-bin/message/subscribe/send", daily_limit=1, used=1)
    assert send(wechat_sandbox, wechat_sandbox.openid) == 45009
    with wechat_sandbox.chaos("errcode", "/cgi-bin/stable_token", errcode=50002, times=1) as rule:
        with pytest.raises(KeyError):
            send(wechat_sandbox, wechat_sandbox.openid)
        assert rule.hits == 1
        rule.remove()
    assert wechat_sandbox.requests("/cgi-bin/stable_token", limit=1)[0].chaos == "errcode"
    wechat_sandbox.chaos(ChaosKind.HANG)
    wechat_sandbox.clear_chaos()
    with pytest.raises(ValueError, match="flood"):
        wechat_sandbox.chaos("flood")
    with pytest.raises(CallError, match="oNobody") as refused:
        wechat_sandbox.login_code("oNobody")
    assert (refused.value.status, refused.value.code) == (404, "unknown_user")


def test_a_complaint_says_what_the_real_wechat_minds(wechat_sandbox: Sandbox) -> None:
    wechat_sandbox.call("GET", "/cgi-bin/token", query={"grant_type": "client_credential", "colour": "red"})
    assert [complaint.code for complaint in wechat_sandbox.complaints()] == ["unknown_parameter"]


def test_the_clock_moves(wechat_sandbox: Sandbox) -> None:
    may = datetime(2030, 5, 1, 1, 30, tzinfo=timezone.utc)
    assert wechat_sandbox.clock.set(may) - may < timedelta(seconds=1)
    assert wechat_sandbox.clock.set("2030-05-01T09:30:00+08:00") - may < timedelta(seconds=1)
    later = wechat_sandbox.clock.advance(timedelta(days=7))
    assert timedelta(days=7) <= later - may < timedelta(days=7, minutes=1)
    assert wechat_sandbox.clock.now() >= later
    with pytest.raises(ValueError, match="time zone"):
        wechat_sandbox.clock.set(datetime(2030, 5, 1))


def test_each_test_begins_as_new(wechat_sandbox: Sandbox) -> None:
    assert wechat_sandbox.clock.now().year < 2030
    assert wechat_sandbox.inbox() == []
    assert wechat_sandbox.requests() == []


def test_a_running_sandbox_can_be_used(wechat_sandbox: Sandbox) -> None:
    other = Sandbox.connect(wechat_sandbox.base_url + "/")
    assert other.appid == wechat_sandbox.appid
    other.stop()
    assert wechat_sandbox.clock.now()


def test_a_gateway_sends_to_its_own_sandbox(hongyan_gateway: Gateway) -> None:
    sandbox = hongyan_gateway.sandbox
    openid, template = sandbox.new_user(), sandbox.templates.subscribe
    sandbox.subscribe(openid)
    permit = {"app": hongyan_gateway.appid, "openid": openid, "kind": "subscribe_once", "template": template}
    hongyan_gateway.call("POST", "/v1/permits", permit)
    data = {"thing1": "拿铁咖啡", "date2": "2026-05-01", "amount3": "¥18.00"}
    message = {"app": hongyan_gateway.appid, "to": openid, "template": template, "data": data}
    assert hongyan_gateway.call("POST", "/v1/messages", message, {"wait": 5})["state"] == "sent"
    assert sandbox.wait_for_card(openid)["thing1"] == "拿铁咖啡"
    with pytest.raises(CallError) as refused:
        hongyan_gateway.call("GET", "/v1/messages/msg_nothing")
    assert refused.value.status == 404


def test_a_sandbox_that_died_shows_its_end() -> None:
    with Sandbox.start() as sandbox:
        assert sandbox.pid is not None
        os.kill(sandbox.pid, signal.SIGKILL)
        with pytest.raises(SandboxError, match="has ended with exit code -9"):
            sandbox.inbox()
    with pytest.raises(SandboxError, match="was stopped"):
        sandbox.inbox()


def test_a_stop_does_not_wait_for_a_call_that_is_never_answered() -> None:
    with Sandbox.start() as sandbox:
        sandbox.subscribe()
        sandbox.chaos(ChaosKind.HANG, "/cgi-bin/stable_token")
        with pytest.raises(SandboxError, match="timed out"):
            sandbox.call("POST", "/cgi-bin/stable_token", {}, timeout=0.1)


def test_a_start_that_fails_shows_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"(?s)ended with exit code 2 .*--colour"):
        Sandbox.start("--colour")
    occupied = tmp_path / "occupied"
    occupied.write_text("not a directory")
    with pytest.raises(SandboxError, match=r"(?s)ended with exit code 78 .*occupied"):
        Gateway.start("--data-dir", str(occupied))
    monkeypatch.setenv("HONGYAN_BINARY", str(tmp_path / "nothing"))
    with pytest.raises(SandboxError, match="not an executable file"):
        Sandbox.start()
    foreign = tmp_path / "foreign"
    foreign.write_text("#!/the/loader/of/another/system\n")
    foreign.chmod(0o755)
    monkeypatch.setenv("HONGYAN_BINARY", str(foreign))
    with pytest.raises(SandboxError, match="made for this system"):
        Sandbox.start()
    mute = tmp_path / "mute"
    mute.write_text(f"#!{sys.executable}\ninput()\n")
    mute.chmod(0o755)
    monkeypatch.setenv("HONGYAN_BINARY", str(mute))
    with pytest.raises(SandboxError, match="was not ready after 0.1 s"):
        Sandbox.start(timeout=0.1)


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hongyan._binary._folders", lambda: iter([tmp_path]))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("HONGYAN_BINARY", raising=False)
    with pytest.raises(SandboxError, match="HONGYAN_BINARY") as missing:
        find_binary()
    assert str(tmp_path) in str(missing.value)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Python 3.8 cannot wait for the process of another")
def test_a_sandbox_ends_when_its_python_is_killed() -> None:
    script = "import hongyan; sandbox = hongyan.Sandbox.start(); print(sandbox.pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as python:
        assert python.stdout is not None
        pid = int(python.stdout.readline())
        ended = os.pidfd_open(pid)
        python.kill()
        # A pidfd is readable when the process has ended.
        readable, _, _ = select.select([ended], [], [], 10)
        os.close(ended)
    assert readable, f"the process {pid} goes on"


def test_the_program_is_a_module_too() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "hongyan", "--version"], stdout=subprocess.PIPE, text=True, check=True
    )
    assert shown.stdout.startswith("hongyan ")
