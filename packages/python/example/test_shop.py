"""The tests of the shop. The fixture `wechat_sandbox` comes with `pip install hongyan`."""

import http.client

import pytest
from hongyan import ChaosKind
from shop import Shop, WeChat, WeChatError

SEND = "/cgi-bin/message/subscribe/send"


@pytest.fixture
def shop(wechat_sandbox):
    wechat = WeChat(wechat_sandbox.appid, wechat_sandbox.app_secret, wechat_sandbox.base_url, pause=0)
    yield Shop(wechat, wechat_sandbox.templates.subscribe)
    # Whatever a test does: the real WeChat would accept each request of the shop.
    assert wechat_sandbox.complaints() == []


def test_a_customer_who_subscribed_sees_the_card(shop, wechat_sandbox):
    openid = shop.login(wechat_sandbox.login_code())
    wechat_sandbox.subscribe(openid)
    assert shop.paid(openid, "拿铁咖啡", 18)
    card = wechat_sandbox.wait_for_card(openid)
    assert card["thing1"] == "拿铁咖啡"
    assert card["amount3"] == "¥18.00"
    assert card.page == "pages/order/order"


def test_a_login_code_works_once(shop, wechat_sandbox):
    code = wechat_sandbox.login_code()
    assert shop.login(code) == wechat_sandbox.openid
    with pytest.raises(WeChatError, match="40163"):
        shop.login(code)


def test_a_customer_who_did_not_subscribe_is_told_nothing(shop, wechat_sandbox):
    openid = wechat_sandbox.new_user()
    assert not shop.paid(openid, "拿铁咖啡", 18)
    assert [request.errcode for request in wechat_sandbox.requests(SEND)] == [43101]
    assert wechat_sandbox.inbox(openid) == []


def test_one_subscription_is_one_message(shop, wechat_sandbox):
    wechat_sandbox.subscribe()
    assert shop.paid(wechat_sandbox.openid, "拿铁咖啡", 18)
    assert not shop.paid(wechat_sandbox.openid, "拿铁咖啡", 18)
    assert len(wechat_sandbox.inbox()) == 1


def test_a_busy_wechat_is_asked_again(shop, wechat_sandbox):
    wechat_sandbox.subscribe()
    with wechat_sandbox.chaos(ChaosKind.ERRCODE, SEND, errcode=-1, times=2) as rule:
        assert shop.paid(wechat_sandbox.openid, "拿铁咖啡", 18)
        assert rule.hits == 2
    assert len(wechat_sandbox.inbox()) == 1


def test_a_wechat_that_stays_busy_is_an_error(shop, wechat_sandbox):
    wechat_sandbox.subscribe()
    with wechat_sandbox.chaos(ChaosKind.ERRCODE, SEND, errcode=-1):
        with pytest.raises(WeChatError, match="-1"):
            shop.paid(wechat_sandbox.openid, "拿铁咖啡", 18)
    assert shop.paid(wechat_sandbox.openid, "拿铁咖啡", 18), "the subscription is not spent"


def test_a_token_that_another_program_replaced_is_fetched_again(shop, wechat_sandbox):
    wechat_sandbox.subscribe(count=2)
    assert shop.paid(wechat_sandbox.openid, "拿铁咖啡", 18)
    wechat_sandbox.rotate_token()
    assert shop.paid(wechat_sandbox.openid, "美式咖啡", 15)
    assert [card["thing1"] for card in wechat_sandbox.inbox()] == ["拿铁咖啡", "美式咖啡"]
    assert [request.errcode for request in wechat_sandbox.requests(SEND)] == [0, 40001, 0]


def test_a_token_that_has_expired_is_fetched_again(shop, wechat_sandbox):
    wechat_sandbox.subscribe(count=2)
    assert shop.paid(wechat_sandbox.openid, "拿铁咖啡", 18)
    wechat_sandbox.clock.advance(2 * 3600 + 1)
    assert shop.paid(wechat_sandbox.openid, "美式咖啡", 15)
    assert [request.errcode for request in wechat_sandbox.requests(SEND)] == [0, 42001, 0]


def test_after_a_lost_answer_the_message_is_not_sent_twice(shop, wechat_sandbox):
    wechat_sandbox.subscribe(count=2)
    with wechat_sandbox.chaos(ChaosKind.RESET_AFTER, SEND, times=1):
        with pytest.raises((OSError, http.client.HTTPException)):
            shop.paid(wechat_sandbox.openid, "拿铁咖啡", 18)
    assert len(wechat_sandbox.inbox()) == 1
