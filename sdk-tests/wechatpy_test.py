"""wechatpy, unmodified but for its host, asserted on by what the sandbox saw."""

import os
import unittest
import warnings

import requests
from wechatpy.client import WeChatClient
from wechatpy.client.api import WeChatWxa
from wechatpy.exceptions import WeChatClientException

HOST = os.environ["WECHAT_HOST"]
SECRET = os.environ["SECRET"]
SANDBOX = os.environ["HONGYAN_SANDBOX"]
APPID = os.environ["APPID"]
LEGACY = os.environ["LEGACY_TEMPLATE"]
SUBSCRIBE = os.environ["SUBSCRIBE_TEMPLATE"]
# Only when the host is the gateway.
API_KEY = os.environ.get("HONGYAN_API_KEY")

# wechatpy calls its own deprecated methods.
warnings.simplefilter("ignore", DeprecationWarning)

# -- begin: what docs/sdks.md says
WeChatWxa.API_BASE_URL = f"{HOST}/"


class Client(WeChatClient):
    API_BASE_URL = f"{HOST}/cgi-bin/"

    # The address of the token is absolute in wechatpy.
    def fetch_access_token(self):
        params = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return self._fetch_access_token(url=f"{HOST}/cgi-bin/token", params=params)
# -- end


def control(call, **body):
    answer = requests.post(f"{SANDBOX}/_sandbox/{call}", json={"appid": APPID, **body}, timeout=10)
    answer.raise_for_status()
    return answer.json()


def asked(path):
    answer = requests.get(f"{SANDBOX}/_sandbox/requests", params={"path": path, "limit": 10000}, timeout=10).json()
    return answer if isinstance(answer, list) else answer["requests"]


def inbox(openid):
    return requests.get(f"{SANDBOX}/_sandbox/inbox", params={"appid": APPID, "openid": openid}, timeout=10).json()


def legacy_data(text):
    return {"keyword1": {"value": text}, "keyword2": {"value": "2026-05-01 09:30"}, "keyword3": {"value": "done"}}


def subscribe_data(text):
    return {"thing1": {"value": text}, "date2": {"value": "2026-05-01"}, "amount3": {"value": "¥12.50"}}


class Wechatpy(unittest.TestCase):
    def setUp(self):
        self.client = Client(APPID, SECRET, timeout=15)
        self.user = control("users")["openid"]

    def refusal(self, call):
        with self.assertRaises(WeChatClientException) as caught:
            call()
        return caught.exception

    def test_a_token_is_the_gateways_own_or_wechats(self):
        before = len(asked("/cgi-bin/token"))
        fetched = self.client.fetch_access_token()
        self.assertEqual(fetched["expires_in"], 7200)
        self.assertEqual(self.client.access_token.startswith("hyt_"), API_KEY is not None)
        self.assertEqual(len(asked("/cgi-bin/token")) - before, 0 if API_KEY else 1)

    def test_a_stable_token_serves_as_well(self):
        body = {"grant_type": "client_credential", "appid": APPID, "secret": SECRET}
        answer = requests.post(f"{HOST}/cgi-bin/stable_token", json=body, timeout=10).json()
        client = Client(APPID, SECRET, access_token=answer["access_token"], timeout=15)
        self.assertIn(LEGACY, [template["template_id"] for template in client.wxa.list_templates()])

    def test_a_login(self):
        login = self.client.wxa.code_to_session(control("login", openid=self.user)["code"])
        self.assertEqual(login["openid"], self.user)
        self.assertEqual(asked("/sns/jscode2session")[-1]["errcode"], 0)
        self.assertTrue(login["session_key"])

    def test_a_code_that_is_none(self):
        self.assertEqual(self.refusal(lambda: self.client.wxa.code_to_session("nonsense")).errcode, 40029)

    def test_a_template_send_arrives_once_per_form(self):
        form = control("forms", openid=self.user)["form_id"]
        send = lambda: self.client.wxa.send_template_message(
            self.user, LEGACY, legacy_data("由 wechatpy 发送"), form, page="pages/index/index",
            emphasis_keyword="keyword1.DATA",
        )
        self.assertEqual(send()["errcode"], 0)
        (card,) = inbox(self.user)
        self.assertEqual((card["template_id"], card["fields"][0]["value"]), (LEGACY, "由 wechatpy 发送"))
        self.assertEqual(self.refusal(send).errcode, 41029)
        self.assertEqual(len(inbox(self.user)), 1)

    def test_a_subscribe_send_needs_the_users_consent(self):
        send = lambda text: self.client.wxa.send_subscribe_message(self.user, SUBSCRIBE, subscribe_data(text))
        error = self.refusal(lambda: send("too early"))
        self.assertEqual(error.errcode, 43101)
        self.assertTrue(error.errmsg)
        control("subscriptions", openid=self.user, template_id=SUBSCRIBE, result="accept")
        self.assertEqual(send("allowed")["errcode"], 0)
        self.assertEqual([card["fields"][0]["value"] for card in inbox(self.user)], ["allowed"])

    def test_a_field_that_breaks_its_rule_is_named(self):
        control("subscriptions", openid=self.user, template_id=SUBSCRIBE, result="accept")
        data = subscribe_data("x") | {"date2": {"value": "someday"}}
        error = self.refusal(lambda: self.client.wxa.send_subscribe_message(self.user, SUBSCRIBE, data))
        self.assertEqual(error.errcode, 47003)
        self.assertIn("date2", error.errmsg)
        self.assertEqual(inbox(self.user), [])

    def test_templates_are_listed(self):
        before = len(asked("/cgi-bin/wxopen/template/list"))
        self.assertIn(LEGACY, [template["template_id"] for template in self.client.wxa.list_templates()])
        self.assertEqual(len(asked("/cgi-bin/wxopen/template/list")), before + 1)

    def test_any_other_call_is_passed_on(self):
        before = len(asked("/cgi-bin/openapi/quota/get"))
        quota = self.client.post("openapi/quota/get", data={"cgi_path": "/cgi-bin/message/subscribe/send"})
        self.assertGreater(quota["quota"]["daily_limit"], 0)
        self.assertEqual(len(asked("/cgi-bin/openapi/quota/get")), before + 1)
        # A refusal is passed on, too: the sandbox draws no codes.
        self.assertEqual(self.refusal(lambda: self.client.wxa.get_wxa_code("pages/index/index")).errcode, 40066)

    def test_wrong_credentials(self):
        wrong = Client(APPID, "wrong", timeout=15)
        self.assertEqual(self.refusal(wrong.fetch_access_token).errcode, 40125)

    def test_a_dead_token_is_repaired_unnoticed(self):
        self.client.wxa.list_templates()
        fetched = len(asked("/cgi-bin/token"))
        control("tokens/rotate")
        self.assertTrue(self.client.wxa.list_templates())
        # By the gateway, with another call; or by the SDK itself.
        self.assertEqual(len(asked("/cgi-bin/token")) - fetched, 0 if API_KEY else 1)

    @unittest.skipUnless(API_KEY, "only the gateway has such tokens")
    def test_a_revoked_gateway_token_makes_the_sdk_fetch_another(self):
        self.client.wxa.list_templates()
        before = self.client.access_token
        answer = requests.delete(
            f"{HOST}/v1/apps/{APPID}/tokens", headers={"Authorization": f"Bearer {API_KEY}"}, timeout=10
        )
        self.assertGreaterEqual(answer.json()["revoked"], 1)
        self.assertTrue(self.client.wxa.list_templates())
        self.assertNotEqual(self.client.access_token, before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
