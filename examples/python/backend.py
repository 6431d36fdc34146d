"""The tutorial's back end on Hongyan: Python 3.11, standard library only; ../node/backend.mjs behaves the same.
No access token, no AppSecret, no list of form ids, no retries here: those are the gateway's work."""
import http.server, json, os, time, urllib.error, urllib.request, uuid
NAMES = ["HONGYAN_URL", "HONGYAN_API_KEY", "APPID", "LEGACY_TEMPLATE", "SUBSCRIBE_TEMPLATE"]
GATEWAY, KEY, APP, LEGACY_TEMPLATE, SUBSCRIBE_TEMPLATE = (os.environ[name] for name in NAMES)
sessions = {}  # our session -> openid, so that the openid never leaves the server
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the gateway is a neighbour: no proxy
class Problem(Exception): ...  # its two arguments are the status and the body to answer with
def hongyan(path, **body):
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(GATEWAY + path, json.dumps({"app": APP, **body}).encode(), headers)
    try:
        return json.load(opener.open(request))
    except urllib.error.HTTPError as error:  # the gateway explains itself: pass it on
        raise Problem(error.code, error.read()) from error
    except OSError as error:
        raise Problem(502, {"code": "gateway_unreachable", "detail": f"no answer from {GATEWAY}"}) from error
def on_login(body):
    sessions[session := str(uuid.uuid4())] = hongyan("/v1/login", code=body.get("code"))["openid"]
    return {"session": session}
def openid_of(body):
    if body.get("session") not in sessions and body.get("code"):
        body = on_login(body)
    if body.get("session") not in sessions:
        raise Problem(401, {"code": "session_unknown", "detail": "log in again"})
    return sessions[body["session"]]
def message(**body):
    answer = hongyan("/v1/messages", page="pages/index/index?from=card", **body)
    return {"id": answer["id"], "state": answer["state"]}
def now():  # as WeChat's `date` fields take it, in China's time
    return time.strftime("%Y年%m月%d日 %H:%M", time.gmtime(time.time() + 8 * 3600))
def template(body):
    to, paid = openid_of(body), body.get("prepayId")
    hongyan("/v1/permits", openid=to, kind="payment" if paid else "form", code=paid or body.get("formId"))
    data = {"keyword1": {"value": body.get("input"), "color": "#173177"},
            "keyword2": {"value": now()}, "keyword3": {"value": "已受理"}}
    return message(to=to, template=LEGACY_TEMPLATE, data=data, emphasis_keyword="keyword1.DATA")
def subscribe(body):
    to, wanted = openid_of(body), body.get("template") or SUBSCRIBE_TEMPLATE
    if not str(body.get("result")).startswith("accept"):
        return {"state": "not_sent"}  # the user said no: nothing to record
    hongyan("/v1/permits", openid=to, kind="subscribe_once", template=wanted)
    thing = str(body.get("input") or "拿铁咖啡")[:20]  # a `thing` has at most 20 characters
    return message(to=to, template=wanted, data={"thing1": thing, "date2": now(), "amount3": "¥18.00"})
def not_found(body): raise Problem(404, {"code": "not_found", "detail": "/onLogin, /template, /subscribe"})
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            routes = {"/onLogin": on_login, "/template": template, "/subscribe": subscribe}
            status, answer = 200, routes.get(self.path, not_found)(body)
        except Problem as problem:
            status, answer = problem.args
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT") or 3000)), Handler)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
