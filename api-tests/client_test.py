"""A client that openapi-python-client generated from the gateway's description, as a back end would use it."""

import os
import time
import unittest

import httpx
from hongyan_client import AuthenticatedClient
from hongyan_client.api.messages import list_messages, send_messages, show_message
from hongyan_client.api.permits import grant_permits, list_permits
from hongyan_client.models import (
    AcceptedBatch,
    AcceptedMessage,
    GrantedPermit,
    MessageBatch,
    MessageFieldsInput,
    MessageRequest,
    MessageState,
    Problem,
    RefusedItem,
    SubscriptionKind,
    SubscriptionPermit,
    ValidMessage,
)

APP, OPENID, TEMPLATE = os.environ["APPID"], os.environ["OPENID"], os.environ["SUBSCRIBE_TEMPLATE"]


def message(text, **more):
    data = MessageFieldsInput.from_dict({"thing1": text, "date2": "2026-05-01 09:30", "amount3": {"value": "¥18.00"}})
    return MessageRequest(app=APP, to=OPENID, template=TEMPLATE, data=data, **more)


class GeneratedClient(unittest.TestCase):
    def setUp(self):
        self.client = AuthenticatedClient(base_url=os.environ["HONGYAN_URL"], token=os.environ["HONGYAN_API_KEY"])

    def grant(self):
        # The user accepts one message, as on the phone, and the mini program's back end reports it.
        accepted = {"appid": APP, "openid": OPENID, "template_id": TEMPLATE, "result": "accept"}
        httpx.post(f"{os.environ['HONGYAN_SANDBOX']}/_sandbox/subscriptions", json=accepted).raise_for_status()
        permit = SubscriptionPermit(app=APP, openid=OPENID, kind=SubscriptionKind.SUBSCRIBE_ONCE, template=TEMPLATE)
        granted = grant_permits.sync(client=self.client, body=permit)
        self.assertIsInstance(granted, GrantedPermit)

    def test_a_message_is_sent(self):
        self.grant()
        key = f"python-{time.time_ns()}"
        sent = send_messages.sync(client=self.client, body=message("由 Python 发送"), wait=10, idempotency_key=key)
        self.assertIsInstance(sent, AcceptedMessage)
        self.assertEqual(sent.state, MessageState.SENT)
        shown = show_message.sync(sent.id, client=self.client)
        self.assertEqual((shown.id, shown.attempts[0].errcode), (sent.id, 0))
        self.assertIn(sent.id, [listed.id for listed in list_messages.sync(client=self.client, app=APP).messages])

    def test_a_batch_says_of_each_message_what_became_of_it(self):
        self.grant()
        batch = MessageBatch(messages=[message("one"), message("x" * 21)])
        answer = send_messages.sync(client=self.client, body=batch)
        self.assertIsInstance(answer, AcceptedBatch)
        self.assertEqual((answer.accepted, answer.refused), (1, 1))
        self.assertIsInstance(answer.messages[0], AcceptedMessage)
        self.assertIsInstance(answer.messages[1], RefusedItem)
        self.assertEqual(answer.messages[1].error.field, "data.thing1")

    def test_checking_only_says_that_a_message_is_valid(self):
        checked = send_messages.sync(client=self.client, body=message("x"), validate=True)
        self.assertIsInstance(checked, ValidMessage)

    def test_a_refusal_is_a_typed_problem(self):
        refused = send_messages.sync(client=self.client, body=message("x" * 21))
        self.assertIsInstance(refused, Problem)
        self.assertEqual((refused.code, refused.errors[0].field), ("invalid_field", "data.thing1"))

    def test_permits_balance(self):
        self.grant()
        totals = list_permits.sync(client=self.client, app=APP, openid=OPENID).totals
        parts = totals.available + totals.reserved + totals.spent + totals.expired + totals.revoked
        self.assertEqual(totals.granted, parts)


if __name__ == "__main__":
    unittest.main(verbosity=2)
