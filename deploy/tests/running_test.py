"""nginx and Prometheus with the configurations of deploy/, in front of and beside a running demo."""

import contextlib
import http.client
import json
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from programs import Demo, eventually, free_port, running

DEPLOY = pathlib.Path(__file__).resolve().parents[1]
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"



def replaced(text, old, new, times=1):
    assert text.count(old) == times, f"{old} is {text.count(old)} times in\n{text}"
    return text.replace(old, new)


def call(method, path, body=None, key=Demo.key):
    """A call of the demo's API."""
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(Demo.url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def send(permit="require"):
    """One message of the demo's app."""
    data = {"thing1": "拿铁咖啡", "date2": "2026-05-01", "amount3": "¥18.00"}
    return call("POST", "/v1/messages", {"app": Demo.appid, "to": Demo.openid, "template": Demo.template, "data": data, "permit": permit})


def sandbox(name, body):
    """A call of the sandbox's control API."""
    data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{Demo.sandbox}/_sandbox/{name}", data, headers), timeout=30).close()


def granted_and_sent():
    """The user accepts one message, and gets it."""
    sandbox("subscriptions", {"appid": Demo.appid, "openid": Demo.openid, "template_id": Demo.template, "result": "accept"})
    permit = {"app": Demo.appid, "openid": Demo.openid, "kind": "subscribe_once", "template": Demo.template}
    assert call("POST", "/v1/permits", permit)[0] == 201
    assert send()[0] == 202


class Beside(unittest.TestCase):
    """A program that `start` starts for all tests of the class. What `resources` holds ends with them."""

    @classmethod
    def setUpClass(cls):
        cls.resources = contextlib.ExitStack()
        try:
            cls.start()
        except BaseException:
            cls.resources.close()
            raise
        cls.addClassCleanup(cls.resources.close)


class Nginx(Beside):
    """The two servers of deploy/nginx, on free ports of this machine."""

    @classmethod
    def start(cls):
        folder = pathlib.Path(cls.resources.enter_context(tempfile.TemporaryDirectory()))
        # nginx's workers have another user if it is started by root.
        folder.chmod(0o755)
        (folder / "hongyan/certificates").mkdir(parents=True)
        certificate = folder / "hongyan/certificates/public.crt"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
            + ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate]
            + ["-keyout", certificate.with_suffix(".key")],
            check=True,
            capture_output=True,
        )
        for ending in ["crt", "key"]:
            shutil.copy(certificate.with_suffix(f".{ending}"), folder / f"hongyan/certificates/internal.{ending}")
        shutil.copy(DEPLOY / "nginx/proxy.conf", folder / "hongyan/proxy.conf")
        upstream = (DEPLOY / "nginx/upstream.conf").read_text(encoding="utf-8")
        (folder / "upstream.conf").write_text(replaced(upstream, "127.0.0.1:8780", Demo.address), encoding="utf-8")
        cls.ports = {}
        for name, port in [("public", "443"), ("internal", "8443")]:
            cls.ports[name] = free_port()
            text = (DEPLOY / f"nginx/{name}.conf").read_text(encoding="utf-8")
            text = replaced(text, f"    listen {port} ssl;", f"    listen 127.0.0.1:{cls.ports[name]} ssl;")
            text = replaced(text, f"    listen [::]:{port} ssl;\n", "")
            text = replaced(text, "/etc/nginx/hongyan/", f"{folder}/hongyan/", 2)
            (folder / f"{name}.conf").write_text(text, encoding="utf-8")
        temporary = "".join(
            f"    {part}_temp_path {folder}/temporary/{part};\n" for part in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        )
        (folder / "temporary").mkdir()
        (folder / "nginx.conf").write_text(
            f"daemon off;\npid {folder}/nginx.pid;\nerror_log stderr warn;\nworker_processes 1;\nevents {{}}\nhttp {{\n"
            f"    access_log off;\n{temporary}    include upstream.conf;\n    include public.conf;\n    include internal.conf;\n}}\n",
            encoding="utf-8",
        )
        command = [NGINX, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]
        tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
        assert tested.returncode == 0 and "warn" not in tested.stderr, tested.stderr
        cls.tls = ssl.create_default_context(cafile=certificate)
        cls.resources.enter_context(
            running(command, f"https://127.0.0.1:{cls.ports['public']}/", folder / "log", cls.tls)
        )

    def ask(self, server, method, path, body=None, headers=()):
        connection = http.client.HTTPSConnection("127.0.0.1", self.ports[server], timeout=30, context=self.tls)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Content-Type": "application/json", **dict(headers)})
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read().decode()

    def test_strangers_reach_the_mini_programs_calls_and_the_callback_and_nothing_else(self):
        self.assertEqual(call("GET", "/metrics")[0], 200, "the demo itself serves metrics")
        for path in ["/", "/metrics", "/livez", "/readyz", "/v1/messages", "/v1/apps", "/console", "/console/login", "/openapi.json",
                     "/cgi-bin/token", "/cgi-bin/stable_token", "/sns/jscode2session", "/wxa/getwxacode", "//metrics", "/mp/../metrics",
                     "/mp/%2e%2e/metrics", "/callback/..%2fmetrics/../../v1/apps", "/errcodes"]:
            for method in ["GET", "POST"]:
                status, _, body = self.ask("public", method, path, headers={"Authorization": f"Bearer {Demo.key}"})
                self.assertIn(status, [400, 404], path)
                self.assertIn("nginx", body, f"{path} reached the gateway")
        status, _, body = self.ask("public", "POST", f"/mp/{Demo.appid}/login", json.dumps({"code": "wrong"}))
        self.assertEqual((status, json.loads(body)["errcode"]), (422, 40029), body)
        status, _, body = self.ask("public", "GET", f"/callback/{Demo.appid}?signature=x&timestamp=1&nonce=2&echostr=3")
        self.assertEqual(status, 403)
        self.assertEqual(self.ask("public", "POST", f"/mp/{Demo.appid}/login", "x" * 20_000)[0], 413)

    def test_back_ends_reach_the_api_and_the_facade_but_not_the_metrics(self):
        key = {"Authorization": f"Bearer {Demo.key}"}
        status, headers, body = self.ask("internal", "GET", "/v1/apps", headers=key)
        self.assertEqual((status, json.loads(body)["apps"][0]["appid"]), (200, Demo.appid))
        self.assertIn("x-request-id", dict(headers))
        self.assertIn("errcode", self.ask("internal", "GET", "/cgi-bin/token?appid=x")[2])
        # More than nginx takes by default, and less than the gateway does.
        large = json.dumps({"messages": [{"app": "x" * 2_000}] * 1_000})
        self.assertLess(self.ask("internal", "POST", "/v1/messages", large, key)[0], 500)
        self.assertNotEqual(self.ask("internal", "POST", "/v1/messages", large, key)[0], 413)
        for path in ["/metrics", "/livez", "/readyz"]:
            status, _, body = self.ask("internal", "GET", path)
            self.assertEqual((status, "nginx" in body), (404, True), path)

    def test_a_stream_is_passed_on_as_it_comes(self):
        login = Demo.console_login.removeprefix(Demo.url)
        status, headers, body = self.ask("internal", "GET", login)
        cookies = [value.split(";")[0] for name, value in headers if name.lower() == "set-cookie"]
        self.assertTrue(any("session" in cookie for cookie in cookies), f"{status} {headers} {body}")
        connection = http.client.HTTPSConnection("127.0.0.1", self.ports["internal"], timeout=20, context=self.tls)
        with contextlib.closing(connection):
            connection.request("GET", "/console/live", headers={"Cookie": "; ".join(cookies)})
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.headers.get_content_type()), (200, "text/event-stream"))
            began = time.monotonic()
            granted_and_sent()
            # The stream stays open, so a buffer would keep this line.
            self.assertEqual(answer.readline(), b"event: tick\n")
            self.assertLess(time.monotonic() - began, 8)
            self.assertFalse(answer.isclosed())

    def test_a_body_reaches_the_gateway_while_it_is_sent(self):
        with socket.create_connection(("127.0.0.1", self.ports["internal"]), timeout=20) as plain:
            with self.tls.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
                stream.sendall(
                    b"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer hyk_wrong\r\n"
                    b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
                )
                # Only a gateway that has seen the head refuses the key before the body is complete.
                self.assertIn(b" 401 ", stream.recv(64))


class Prometheus(Beside):
    """A Prometheus with the configuration of deploy/prometheus, which scrapes the demo every second."""

    @classmethod
    def start(cls):
        folder = pathlib.Path(cls.resources.enter_context(tempfile.TemporaryDirectory()))
        text = (DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8")
        text = replaced(replaced(text, "hongyan:8781", Demo.address), "interval: 15s", "interval: 1s", 2)
        (folder / "prometheus.yml").write_text(text, encoding="utf-8")
        shutil.copy(DEPLOY / "prometheus/alerts.yml", folder)
        cls.url = f"http://127.0.0.1:{free_port()}"
        cls.resources.enter_context(
            running(
                ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", "--log.level=warn"]
                + [f"--web.listen-address={cls.url.removeprefix('http://')}"],
                f"{cls.url}/-/ready",
                folder / "log",
            )
        )
        cls.traffic = threading.Event()
        cls.resources.callback(cls.traffic.set)
        threading.Thread(target=cls.make_traffic, daemon=True).start()

    @classmethod
    def make_traffic(cls):
        """Something of everything that the dashboard shows, until the tests end."""
        signature = f"/callback/{Demo.appid}?signature=x&timestamp=1&nonce=2&echostr=3"
        # Once each: the gateway delays those who send many wrong signatures and keys.
        call("GET", signature)
        call("GET", "/v1/apps", key=None)
        while not cls.traffic.wait(0.2):
            granted_and_sent()
            # Nobody has allowed this message, so WeChat refuses it.
            send("try")

    def ask(self, path, **parameters):
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def test_every_query_of_the_dashboard_returns_numbers(self):
        dashboard = json.loads((DEPLOY / "grafana/hongyan.json").read_text(encoding="utf-8"))
        left = {target["expr"]: panel["title"] for panel in dashboard["panels"] for target in panel.get("targets", [])}
        self.assertGreater(len(left), 35)

        def all_answer():
            for query in list(left):
                # As Grafana does, with an interval that fits the scrapes of this test.
                shown = query.replace("$__rate_interval", "10s").replace("$job", "hongyan").replace("$app", ".*")
                self.assertNotIn("$", shown)
                values = [float(series["value"][1]) for series in self.ask("/api/v1/query", query=shown)["result"]]
                if any(value == value for value in values):
                    del left[query]
            return not left

        try:
            eventually("every query returns a number", all_answer)
        except AssertionError:
            self.fail(f"these queries return nothing: {left}")

    def test_the_variables_of_the_dashboard_have_values(self):
        dashboard = json.loads((DEPLOY / "grafana/hongyan.json").read_text(encoding="utf-8"))
        found = {}
        for variable in dashboard["templating"]["list"]:
            asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable.get("definition", ""))
            if asked:
                path = f"/api/v1/label/{asked[2]}/values"
                found[variable["name"]] = eventually(variable["name"], lambda: self.ask(path, **{"match[]": asked[1]}))
        self.assertEqual(found, {"job": ["hongyan"], "app": [Demo.appid]})

    def test_every_alert_rule_is_evaluated_without_an_error(self):
        def rules():
            groups = self.ask("/api/v1/rules")["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            return rules if rules and all(rule["health"] != "unknown" for rule in rules) else None

        for rule in eventually("all rules are evaluated", rules):
            self.assertEqual((rule["name"], rule["health"], rule.get("lastError", "")), (rule["name"], "ok", ""))

    def test_when_wechat_is_down_the_alert_of_the_paused_app_begins(self):
        sandbox("chaos", {"path": "/cgi-bin/message/*", "kind": "errcode", "errcode": -1})

        def begun():
            alerts = [alert["labels"] for alert in self.ask("/api/v1/alerts")["alerts"]]
            return [labels for labels in alerts if labels["alertname"] == "HongyanAppPaused"]

        [labels] = eventually("the alert begins", begun)
        self.assertEqual((labels["app"], labels["reason"]), (Demo.appid, "wechat_unavailable"))


if __name__ == "__main__":
    unittest.main()
