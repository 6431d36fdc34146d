//! A gateway that is set up by its configuration: apps, webhooks and keys from a file and the environment.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use hongyan_clock::Clock;
use hongyan_gateway::Gateway;
use hongyan_gateway::config::{Settings, load};
use hongyan_gateway::vault::{Purpose, Vault, random_token};
use hongyan_gateway::webhooks::new_secret;
use hongyan_store::types::{ActorKind, AuditFilter};
use http::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::process::{Server, hongyan, run, serve};
use crate::world::{Answer, Http, PATIENCE, Platform, settings};

/// A directory with a configuration and files of secrets.
struct Place {
    dir: tempfile::TempDir,
    wechat: Platform,
    http: Http,
    key: String,
    gateway_secret: String,
}

impl Place {
    async fn new() -> Self {
        let wechat = Platform::start(Clock::system()).await;
        let dir = tempfile::tempdir().unwrap();
        let (key, gateway_secret) = (random_token("hyk_"), random_token("hyg_"));
        let of = |secret: &secrecy::SecretString| secret.expose_secret().to_owned();
        let place =
            Self { wechat, http: Http::new(), key: of(&key), gateway_secret: of(&gateway_secret), dir };
        place.write("app-secret", &place.wechat.seed.app_secret);
        place.write("key", &place.key);
        place.write("gateway-secret", &place.gateway_secret);
        place.write("webhook-secret", &of(&new_secret()));
        place
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), format!("{text}\n")).unwrap();
    }

    fn app(&self, rest: &str) -> String {
        let appid = &self.wechat.seed.appid;
        format!("[[app]]\nappid = \"{appid}\"\nsecret_file = \"app-secret\"\n{rest}\n")
    }

    fn serve(&self) -> Command {
        let mut command = serve(self.path(), &self.wechat.url);
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path().join("log")).unwrap();
        command.env("HONGYAN_LOG", "info").stderr(log);
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap()
    }

    /// The findings of `hongyan check` about the set-up, and its exit code.
    async fn check(&self) -> (Vec<Value>, Option<i32>) {
        let mut command = hongyan(&["check", "--json"]);
        command
            .env("HONGYAN_DATA_DIR", self.path())
            .env("HONGYAN_WECHAT_BASE_URL", &self.wechat.url)
            .env("HONGYAN_LISTEN", "127.0.0.1:0")
            .current_dir(self.path());
        let output = run(&mut command).await;
        let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let mut found: Vec<Value> = found["checks"].as_array().unwrap().clone();
        found.retain(|finding| finding["what"] == "set-up");
        (found, output.status.code())
    }

    /// The only finding of `hongyan check` about the set-up.
    async fn checked(&self) -> String {
        let (found, code) = self.check().await;
        assert_eq!((found.len(), code), (1, Some(0)), "{found:?}");
        found[0]["detail"].as_str().unwrap().to_owned()
    }

    async fn call(&self, server: &Server, method: Method, path: &str, body: Value) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.http.send(method, &format!("{}{path}", server.url("gateway")), &headers, body).await
    }

    async fn get(&self, server: &Server, path: &str) -> Value {
        self.call(server, Method::GET, path, Value::Null).await.expect(200)
    }

    /// The calls in the audit trail that the configuration made, oldest first.
    async fn calls(&self, server: &Server) -> Vec<String> {
        let trail = self.get(server, "/v1/audit?limit=1000").await;
        let lines = trail["audit"].as_array().unwrap_or_else(|| panic!("{trail}")).iter().rev();
        let own = lines.filter(|line| line["actor"]["kind"] == "configuration");
        own.inspect(|line| assert_eq!(line["result"], "ok", "{line}"))
            .map(|line| line["call"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_sets_a_gateway_up_and_the_next_start_changes_only_what_differs() {
    let place = Place::new().await;
    let appid = place.wechat.seed.appid.clone();
    let key = "[[key]]\nname = \"orders\"\nscopes = [\"all\"]\nsecret_file = \"key\"\n";
    let webhook = "[[webhook]]\nname = \"orders\"\nurl = \"https://shop.example/hook\"\n\
                   types = [\"permit.expiring\"]\nsecret_file = \"webhook-secret\"\n";
    let app = place.app("name = \"Tea house\"\npayment_units = 2\ngateway_secret_file = \"gateway-secret\"");
    place.write("hongyan.toml", &format!("setup_file = \"setup.toml\"\n{key}"));
    place.write("setup.toml", &format!("{app}{webhook}"));
    let would = place.checked().await;
    for words in [
        "1 app, 1 webhook, 1 API key; the next start would",
        &format!("register the app {appid}"),
        "set up the webhook orders (whk_000000000000",
        "make the API key orders",
    ] {
        assert!(would.contains(words), "{would}");
    }
    assert!(!place.path().join("hongyan.db").exists(), "a check changes nothing");

    let server = Server::start(&mut place.serve()).await;
    let shown = place.get(&server, &format!("/v1/apps/{appid}")).await;
    assert_eq!((&shown["name"], &shown["payment_units"]), (&json!("Tea house"), &json!(2)));
    // The app works: a message goes out, and clients of the facade know the gateway secret already.
    let user = place.wechat.user().await;
    let code = place.wechat.form(&user).await;
    let permit = json!({ "app": appid, "openid": user, "kind": "form", "code": code });
    place.call(&server, Method::POST, "/v1/permits", permit).await.expect(201);
    let message = json!({
        "app": appid, "to": user, "template": place.wechat.seed.legacy_template,
        "data": { "keyword1": "a", "keyword2": "b", "keyword3": "c" },
    });
    let sent = place.call(&server, Method::POST, "/v1/messages?wait=15", message).await.expect(202);
    assert_eq!(sent["state"], "sent", "{sent}");
    let token = format!(
        "{}/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={}",
        server.url("gateway"),
        place.gateway_secret
    );
    assert!(place.http.get(&token).await.expect(200)["access_token"].is_string());
    let first = ["setup: register app", "setup: set up webhook", "setup: create key"];
    assert_eq!(place.calls(&server).await, first);
    // A setting that the file does not name is changed by hand.
    let change = json!({ "truncate": true });
    place.call(&server, Method::PATCH, &format!("/v1/apps/{appid}"), change).await.expect(200);
    assert!(server.signal("TERM").await.success());

    let server = Server::start(&mut place.serve()).await;
    assert_eq!(place.calls(&server).await, first, "the second start changed nothing");
    assert!(server.signal("TERM").await.success());
    assert!(place.checked().await.ends_with("1 app, 1 webhook, 1 API key; the database has everything"));

    let app = place.app("name = \"Tee\"\npayment_units = 3");
    let changed = webhook.replace("/hook", "/other");
    place.write("webhook-secret", new_secret().expose_secret());
    place.write("setup.toml", &format!("{app}{changed}"));
    let would = place.checked().await;
    for words in [
        &format!("change name, payment_units of the app {appid}"),
        "change url of the webhook orders",
        "change secret of the webhook orders",
    ] {
        assert!(would.contains(words), "{would}");
    }
    let server = Server::start(&mut place.serve()).await;
    let shown = place.get(&server, &format!("/v1/apps/{appid}")).await;
    assert_eq!(
        (&shown["name"], &shown["payment_units"], &shown["truncate"]),
        (&json!("Tee"), &json!(3), &json!(true))
    );
    let webhooks = place.get(&server, "/v1/webhooks").await;
    assert_eq!(webhooks["webhooks"][0]["url"], "https://shop.example/other");
    let now = place.calls(&server).await;
    assert_eq!(now[3..], ["setup: change app", "setup: change webhook", "setup: change webhook"], "{now:?}");
    assert!(server.signal("TERM").await.success());

    // What the file no longer names is reported, and stays.
    let other = random_token("hyk_");
    place.write("key", other.expose_secret());
    place.write("setup.toml", "");
    let (found, code) = place.check().await;
    let said = serde_json::to_string(&found).unwrap();
    assert_eq!(code, Some(0), "{said}");
    let server = Server::start(&mut place.serve()).await;
    let log = place.log();
    for words in [
        format!("the app {appid} is registered, and the configuration does not name it. It stays"),
        "(orders) was set up by the configuration, and the configuration does not name it".into(),
        "(orders) was made by the configuration, and the configuration does not name it".into(),
    ] {
        assert!(said.contains(&words), "{words}: {said}");
        assert!(log.contains(&words), "{words}: {log}");
    }
    place.get(&server, &format!("/v1/apps/{appid}")).await;
    assert_eq!(place.get(&server, "/v1/webhooks").await["webhooks"].as_array().unwrap().len(), 1);
    assert!(server.signal("TERM").await.success());
    let log = place.log();
    let secrets = [&place.key, &place.gateway_secret, &place.wechat.seed.app_secret, other.expose_secret()];
    for secret in secrets.map(ToString::to_string).iter().chain([&"whsec_".to_owned()]) {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_entry_is_named_and_the_gateway_changes_nothing() {
    let place = Place::new().await;
    let good = place.app("");
    let key = |scopes: &str, more: &str| {
        format!("[[key]]\nname = \"orders\"\nscopes = [\"{scopes}\"]\nsecret_file = \"key\"\n{more}")
    };
    place.write("hongyan.toml", "setup_file = \"setup.toml\"");
    let appid = &place.wechat.seed.appid;
    place.write("weak", "hyk_sesame");
    for (setup, words) in [
        (
            good.replace("app-secret", "gone"),
            format!("setup.toml, line 3: app {appid}: secret_file: cannot read gone"),
        ),
        (
            place.app("payment_unit = 3"),
            "line 4: unknown setting app.payment_unit; did you mean app.payment_units?".into(),
        ),
        (
            format!("{good}{}", key("all", "").replace("\"key\"", "\"weak\"")),
            "line 8: key orders: secret_file: must be hyk_".into(),
        ),
    ] {
        place.write("setup.toml", &setup);
        let output = run(serve(place.path(), &place.wechat.url).stdout(Stdio::null())).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{stderr}");
        assert!(stderr.contains(&words) && !stderr.contains("sesame"), "{words}: {stderr}");
        assert!(!place.path().join("hongyan.db").exists(), "{stderr}");
        let (found, code) = place.check().await;
        assert_eq!((code, &found[0]["ok"]), (Some(78), &json!(false)), "{found:?}");
        assert!(found[0]["detail"].as_str().unwrap().contains(&words), "{found:?}");
    }
    place.write("setup.toml", &format!("{good}{}", key("all", "")));
    assert!(Server::start(&mut place.serve()).await.signal("TERM").await.success());

    // An entry that contradicts the database: the change of the app beside it is not made either.
    place.write("setup.toml", &format!("{}{}", place.app("name = \"New\""), key("messages", "")));
    let output = run(serve(place.path(), &place.wechat.url).stdout(Stdio::null())).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("line 7: key orders: scopes: differs from the stored key key_"), "{stderr}");
    let (found, code) = place.check().await;
    assert_eq!((code, &found[0]["ok"]), (Some(78), &json!(false)), "{found:?}");
    place.write("setup.toml", "");
    let server = Server::start(&mut place.serve()).await;
    assert_eq!(place.get(&server, &format!("/v1/apps/{appid}")).await["name"], json!(appid));

    // A revoked key stays revoked.
    let keys = run(hongyan(&["key", "list", "--json"]).env("HONGYAN_DATA_DIR", place.path())).await;
    let keys: Value = serde_json::from_slice(&keys.stdout).unwrap();
    assert_eq!(keys["keys"][0]["created_by"]["kind"], "configuration", "{keys}");
    let id = keys["keys"][0]["id"].as_str().unwrap();
    let revoked = run(hongyan(&["key", "revoke", id]).env("HONGYAN_DATA_DIR", place.path())).await;
    assert!(revoked.status.success(), "{revoked:?}");
    assert!(server.signal("TERM").await.success());
    place.write("setup.toml", &format!("{good}{}", key("all", "")));
    let server = Server::start(&mut place.serve()).await;
    place.call(&server, Method::GET, "/v1/apps", Value::Null).await.problem(401, "unauthorized");
    assert!(place.log().contains(&format!("the API key orders ({id}) was revoked and stays revoked")));
    assert!(server.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_sets_one_app_up_and_wechat_may_be_away_at_the_start() {
    let place = Place::new().await;
    let appid = place.wechat.seed.appid.clone();
    let mut command = serve(place.path(), "http://127.0.0.1:9");
    command
        .env("HONGYAN_APP_APPID", &appid)
        .env("HONGYAN_APP_SECRET_FILE", place.path().join("app-secret"))
        .env("HONGYAN_APP_NAME", "Tea house")
        .env("HONGYAN_KEY_NAME", "orders")
        .env("HONGYAN_KEY_SCOPES", "all")
        .env("HONGYAN_KEY_SECRET_FILE", place.path().join("key"));
    let server = Server::start(&mut command).await;
    let shown = place.get(&server, &format!("/v1/apps/{appid}")).await;
    assert_eq!((&shown["name"], &shown["paused"]), (&json!("Tea house"), &Value::Null));
    assert!(server.signal("TERM").await.success());
    // The next start finds the app without templates: a message that needs a template asks for the list.
    let server = Server::start(command.env("HONGYAN_WECHAT_BASE_URL", &place.wechat.url)).await;
    let template = &place.wechat.seed.subscribe_template;
    let templates = async {
        loop {
            let path = format!("/v1/apps/{appid}/templates");
            let known = place.get(&server, &path).await;
            if known["templates"].as_array().unwrap().iter().any(|one| one["template"] == *template) {
                break;
            }
            let path = format!("/v1/apps/{appid}/templates/sync");
            place.call(&server, Method::POST, &path, json!({})).await;
        }
    };
    tokio::time::timeout(PATIENCE, templates).await.expect("the templates are read");
    assert!(server.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_start_at_once_set_up_everything_once() {
    let place = Place::new().await;
    let full = |name: &str| place.path().join(name).display().to_string();
    let text = format!(
        "[[app]]\nappid = \"{}\"\nsecret_file = \"{}\"\n[[key]]\nname = \"orders\"\nscopes = [\"all\"]\n\
         secret_file = \"{}\"\n[[webhook]]\nname = \"orders\"\nurl = \"https://shop.example/\"\n\
         secret_file = \"{}\"\n",
        place.wechat.seed.appid,
        full("app-secret"),
        full("key"),
        full("webhook-secret"),
    );
    place.write("hongyan.toml", &text);
    let read = || load(Some(&place.path().join("hongyan.toml")), [], toml::Table::new()).unwrap().entries;
    let node = |name: &str| Settings {
        node_id: name.into(),
        entries: read(),
        ..settings(place.path(), &place.wechat.url)
    };
    let store = Gateway::open_store(&node("left")).unwrap();
    let start = async |name: &str| {
        Gateway::start_on(Arc::clone(&store), node(name), Clock::system(), Clock::system()).await.unwrap()
    };
    // The second start also changes the secret of the webhook: both nodes see the old one.
    let before = fs::read_to_string(full("webhook-secret")).unwrap().trim().to_owned();
    for secret in [None, Some(new_secret())] {
        if let Some(secret) = secret {
            place.write("webhook-secret", secret.expose_secret());
        }
        let (left, right) = tokio::join!(start("left"), start("right"));
        let counts = (
            store.apps().await.unwrap().len(),
            store.keys().await.unwrap().len(),
            store.webhooks().await.unwrap(),
        );
        assert_eq!((counts.0, counts.1, counts.2.len()), (1, 1, 1));
        for gateway in [left, right] {
            gateway.close(PATIENCE).await;
        }
    }
    let webhook = store.webhooks().await.unwrap().remove(0).record;
    let (vault, _) = Vault::open(&node("left")).unwrap();
    let previous = webhook.previous_secret.unwrap().0;
    let previous = vault.open_of(Purpose::WebhookSecret, &webhook.id.to_string(), &previous).unwrap();
    assert_eq!(previous.expose_secret(), before, "the old secret still signs");
    let trail = store.audit(AuditFilter { limit: 100, ..AuditFilter::default() }).await.unwrap();
    let done = |call: &str| {
        let own = trail.iter().filter(|line| line.entry.actor.kind == ActorKind::Configuration);
        own.filter(|line| line.entry.call == call && line.result.as_deref() == Some("ok")).count()
    };
    for call in ["setup: register app", "setup: create key", "setup: set up webhook"] {
        assert_eq!(done(call), 1, "{call}: {trail:?}");
    }
    let changed = trail.iter().find(|line| line.entry.call == "setup: change webhook").unwrap();
    assert_eq!(changed.fields, ["secret"], "{trail:?}");
    store.close().await;
}
