"""A shop that tells its customers by a subscribe message that they have paid.

The shop calls WeChat itself, with the standard library alone: it keeps its own access token, fetches another token when
WeChat refuses this token, and asks again when WeChat is busy.
"""

import json
import time
import urllib.parse
import urllib.request

BUSY = -1
NOT_SUBSCRIBED = 43101
TOKEN_IS_DEAD = {40001, 40014, 42001}
#: A token is not used in its last minutes.
RESERVE_SECONDS = 300


class WeChatError(Exception):
    def __init__(self, errcode, errmsg):
        super().__init__(f"{errcode}: {errmsg}")
        self.errcode = errcode


class WeChat:
    """WeChat's API for one app."""

    def __init__(self, appid, secret, base_url="https://api.weixin.qq.com", tries=3, pause=0.2):
        self.appid, self.secret, self.base_url = appid, secret, base_url
        self.tries, self.pause = tries, pause
        self.token, self.token_ends = None, 0

    def login(self, code):
        """The openid of the user who made this code with `wx.login`."""
        query = {"appid": self.appid, "secret": self.secret, "js_code": code, "grant_type": "authorization_code"}
        return self._call("/sns/jscode2session", query)["openid"]

    def send(self, openid, template_id, data, page):
        """Sends a subscribe message."""
        body = {
            "touser": openid,
            "template_id": template_id,
            "page": page,
            "data": {name: {"value": value} for name, value in data.items()},
        }
        try:
            return self._send(body)
        except WeChatError as error:
            if error.errcode not in TOKEN_IS_DEAD:
                raise
            # Another program has fetched a token, or this token is too old.
            self.token = None
            return self._send(body)

    def _send(self, body):
        return self._call("/cgi-bin/message/subscribe/send", {"access_token": self._access_token()}, body)

    def _access_token(self):
        if self.token is None or time.monotonic() > self.token_ends:
            body = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
            answer = self._call("/cgi-bin/stable_token", {}, body)
            self.token = answer["access_token"]
            self.token_ends = time.monotonic() + answer["expires_in"] - RESERVE_SECONDS
        return self.token

    def _call(self, path, query, body=None):
        for attempt in range(1, self.tries + 1):
            url = f"{self.base_url}{path}?{urllib.parse.urlencode(query)}"
            data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
            request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {})
            # Only -1 is asked again: after a lost answer nobody knows whether the message was sent.
            with urllib.request.urlopen(request, timeout=5) as answer:
                result = json.load(answer)
            errcode = result.get("errcode", 0)
            if errcode == 0:
                return result
            if errcode != BUSY or attempt == self.tries:
                raise WeChatError(errcode, result.get("errmsg", ""))
            time.sleep(self.pause * attempt)


class Shop:
    """Logs customers in, takes orders, and tells the customer about the payment."""

    def __init__(self, wechat, template_id):
        self.wechat, self.template_id = wechat, template_id

    def login(self, code):
        return self.wechat.login(code)

    def paid(self, openid, goods, amount):
        """Returns whether the customer can be told: customers who did not subscribe are told nothing."""
        data = {"thing1": goods, "date2": time.strftime("%Y-%m-%d %H:%M"), "amount3": f"¥{amount:.2f}"}
        try:
            self.wechat.send(openid, self.template_id, data, page="pages/order/order")
        except WeChatError as error:
            if error.errcode != NOT_SUBSCRIBED:
                raise
            return False
        return True
