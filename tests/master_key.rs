//! The master key is changed, with and without a running gateway, and every sealed value can still be opened.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};

use hongyan_clock::Clock;
use hongyan_wechat::callback::sign;
use http::Method;
use serde_json::{Value, json};

use crate::process::{Gateway, Server, create_key, hongyan, run, serve};
use crate::world::{Answer, Http, Platform};

/// All columns with sealed values.
const PLACES: [(&str, &str); 8] = [
    ("apps", "secret"),
    ("apps", "callback_token"),
    ("apps", "callback_aes_key"),
    ("tokens", "value"),
    ("users", "session_key"),
    ("users", "previous_session_key"),
    ("webhooks", "secret"),
    ("webhooks", "previous_secret"),
];

/// The token with which WeChat signs its pushes.
const TOKEN: &str = "Signed0With0This";

/// The ids of the keys that sealed the values in the database. Each column has a value.
fn keys_in_use(dir: &Path) -> BTreeSet<String> {
    let database = rusqlite::Connection::open(dir.join("hongyan.db")).unwrap();
    let mut ids = BTreeSet::new();
    for (table, column) in PLACES {
        let sql = format!("SELECT hex(substr({column}, 2, 4)) FROM {table} WHERE {column} IS NOT NULL");
        let mut statement = database.prepare(&sql).unwrap();
        let found: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert!(!found.is_empty(), "nothing in {table}.{column}");
        ids.extend(found.into_iter().map(|id| id.to_lowercase()));
    }
    ids
}

async fn rotate(dir: &Path, args: &[&str]) -> Output {
    let mut all = vec!["key", "rotate-master"];
    all.extend(args);
    run(hongyan(&all).env("HONGYAN_DATA_DIR", dir).current_dir(dir)).await
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A caller of the gateway.
struct Caller {
    http: Http,
    bearer: String,
    pushes: AtomicU32,
}

impl Caller {
    async fn of(dir: &Path) -> Self {
        Self {
            http: Http::new(),
            bearer: format!("Bearer {}", create_key(dir).await),
            pushes: AtomicU32::new(0),
        }
    }

    async fn call(&self, url: &str, method: Method, path: &str, body: Value) -> Answer {
        let headers = [("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        self.http.send(method, &format!("{url}{path}"), &headers, body.to_string()).await
    }

    /// Creates a sealed value of each kind. Returns data that is encrypted with the user's session_key.
    async fn use_everything(&self, url: &str, wechat: &Platform) -> Value {
        let appid = &wechat.seed.appid;
        let callback = json!({ "token": TOKEN, "encoding_aes_key": "a".repeat(42) + "A" });
        let app = json!({ "appid": appid, "secret": wechat.seed.app_secret, "callback": callback });
        self.call(url, Method::POST, "/v1/apps", app).await.expect(201);
        self.call(url, Method::POST, &format!("/v1/apps/{appid}/templates/sync"), json!({}))
            .await
            .expect(200);
        let hook = json!({ "url": "https://example.com/hook" });
        let hook = self.call(url, Method::POST, "/v1/webhooks", hook).await.expect(201);
        let path = format!("/v1/webhooks/{}/secret", hook["id"].as_str().unwrap());
        self.call(url, Method::POST, &path, json!({})).await.expect(200);
        let user = wechat.user().await;
        for _ in 0..2 {
            let login = json!({ "app": appid, "code": wechat.login_code(&user).await });
            self.call(url, Method::POST, "/v1/login", login).await.expect(200);
        }
        let body = json!({ "openid": user, "data": { "nickName": "鸿雁" } });
        let mut enciphered = wechat.control("encrypted", body).await;
        enciphered["app"] = json!(appid);
        enciphered["openid"] = json!(user);
        enciphered
    }

    /// Whether the gateway can open the user's session_key, the app's secret and the keys of its callback.
    async fn everything_opens(&self, url: &str, wechat: &Platform, enciphered: &Value) {
        let opened = self.call(url, Method::POST, "/v1/users/decrypt", enciphered.clone()).await.expect(200);
        assert_eq!(opened["nickName"], "鸿雁");
        let path = format!("/v1/apps/{}/templates/sync", wechat.seed.appid);
        self.call(url, Method::POST, &path, json!({})).await.expect(200);
        let timestamp = (Clock::system().now().0 / 1000).to_string();
        let nonce = self.pushes.fetch_add(1, Ordering::Relaxed).to_string();
        let signature = sign(&[TOKEN, &timestamp, &nonce]);
        let push = format!(
            "{url}/callback/{}?signature={signature}&timestamp={timestamp}&nonce={nonce}&echostr=583739757650",
            wechat.seed.appid
        );
        let answer = self.http.send(Method::GET, &push, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "583739757650"));
    }
}

async fn check(dir: &Path, wechat: &Platform) -> Value {
    let mut command = hongyan(&["check", "--json"]);
    command
        .env("HONGYAN_DATA_DIR", dir)
        .env("HONGYAN_LISTEN", "127.0.0.1:0")
        .env("HONGYAN_WECHAT_BASE_URL", &wechat.url)
        .current_dir(dir);
    let report: Value = serde_json::from_slice(&run(&mut command).await.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["what"] == "previous master key").cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_master_key_is_changed_while_no_gateway_runs() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let gateway = Gateway::start(dir, &wechat.url).await;
    let caller = Caller::of(dir).await;
    let enciphered = caller.use_everything(&gateway.url, &wechat).await;
    assert!(gateway.signal("TERM").await.success());
    let old_keys = keys_in_use(dir);
    assert_eq!(old_keys.len(), 1);
    let old = std::fs::read(dir.join("master.key")).unwrap();
    assert_eq!(rotate(dir, &[]).await.status.code(), Some(78), "there is no other key yet");

    let rotated = rotate(dir, &["--generate", "--json"]).await;
    assert!(rotated.status.success(), "{}", said(&rotated));
    let report: Value = serde_json::from_slice(&rotated.stdout).unwrap();
    let all = json!({
        "app_secret": 1, "callback_token": 1, "callback_aes_key": 1, "access_token": 1, "session_key": 1,
        "previous_session_key": 1, "webhook_secret": 1, "previous_webhook_secret": 1,
    });
    assert_eq!((&report["resealed"], &report["complete"]), (&all, &json!(true)), "{report}");
    assert_eq!(report["unopened"], json!({}));
    let new_key = report["key"].as_str().unwrap().to_owned();
    assert_eq!(keys_in_use(dir), [new_key.clone()].into());
    assert!(!old_keys.contains(&new_key));
    assert_eq!(std::fs::read(dir.join("master.key.previous")).unwrap(), old);
    assert!(check(dir, &wechat).await["detail"].as_str().unwrap().contains("can be removed"));
    // A repeat changes nothing, and does not put a second new key in the place of the previous key.
    let again = rotate(dir, &["--json"]).await;
    let report: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((&report["resealed"], &report["complete"]), (&json!({}), &json!(true)), "{report}");
    let refused = rotate(dir, &["--generate"]).await;
    assert!(
        !refused.status.success() && said(&refused).contains("master.key.previous"),
        "{}",
        said(&refused)
    );

    // The old key alone opens nothing any more; the new key alone opens everything.
    let new = std::fs::read(dir.join("master.key")).unwrap();
    std::fs::remove_file(dir.join("master.key.previous")).unwrap();
    std::fs::write(dir.join("master.key"), &old).unwrap();
    let refused = run(&mut serve(dir, &wechat.url)).await;
    assert_eq!(refused.status.code(), Some(78));
    assert!(said(&refused).contains("another master key"), "{}", said(&refused));
    std::fs::write(dir.join("master.key"), &new).unwrap();
    let gateway = Gateway::start(dir, &wechat.url).await;
    caller.everything_opens(&gateway.url, &wechat, &enciphered).await;
    let trail = caller.call(&gateway.url, Method::GET, "/v1/audit", json!({})).await.expect(200);
    let row = trail["audit"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["call"] == "key rotate-master")
        .unwrap_or_else(|| panic!("{trail}"));
    assert_eq!(row["result"], "ok", "{row}");
    assert!(gateway.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_is_changed_beside_a_gateway_that_has_both_and_not_beside_one_that_has_not() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let gateway = Gateway::start(dir, &wechat.url).await;
    let caller = Caller::of(dir).await;
    let enciphered = caller.use_everything(&gateway.url, &wechat).await;
    let old_keys = keys_in_use(dir);

    // The running gateway does not know the new key: the key is created, but nothing is sealed with it.
    let refused = rotate(dir, &["--generate"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("Restart the gateway"), "{}", said(&refused));
    assert_eq!(keys_in_use(dir), old_keys);
    caller.everything_opens(&gateway.url, &wechat, &enciphered).await;
    assert!(gateway.signal("TERM").await.success());

    let gateway = Gateway::start(dir, &wechat.url).await;
    caller.everything_opens(&gateway.url, &wechat, &enciphered).await;
    let before = check(dir, &wechat).await;
    assert!(
        before["detail"].as_str().unwrap().contains("8 values are still encrypted with the previous key"),
        "{before}"
    );
    let rotated = rotate(dir, &["--json"]).await;
    assert!(rotated.status.success(), "{}", said(&rotated));
    let report: Value = serde_json::from_slice(&rotated.stdout).unwrap();
    let new_keys: BTreeSet<String> = [report["key"].as_str().unwrap().to_owned()].into();
    assert_eq!(keys_in_use(dir), new_keys);
    caller.everything_opens(&gateway.url, &wechat, &enciphered).await;

    // The gateway read the app before that. A change by the gateway must not bring back a value that the old key sealed.
    let path = format!("/v1/apps/{}", wechat.seed.appid);
    let change = json!({ "callback": { "encoding_aes_key": "b".repeat(42) + "A" } });
    caller.call(&gateway.url, Method::PATCH, &path, change).await.expect(200);
    assert_eq!(keys_in_use(dir), new_keys);
    assert!(gateway.signal("TERM").await.success());
    std::fs::remove_file(dir.join("master.key.previous")).unwrap();
    let gateway = Gateway::start(dir, &wechat.url).await;
    caller.everything_opens(&gateway.url, &wechat, &enciphered).await;
    assert!(gateway.signal("TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_of_the_settings_is_changed_by_naming_the_one_before_it() {
    let wechat = Platform::start(Clock::system()).await;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (old, new) = ("0a".repeat(32), "0b".repeat(32));
    let old_alone = [("HONGYAN_MASTER_KEY", old.as_str())];
    let both = [("HONGYAN_MASTER_KEY", new.as_str()), ("HONGYAN_MASTER_KEY_PREVIOUS", old.as_str())];
    let serve_with =
        async |keys: &[(&str, &str)]| Server::start(serve(dir, &wechat.url).envs(keys.iter().copied())).await;
    let rotate_with = async |keys: &[(&str, &str)], args: &[&str]| {
        let mut command = hongyan(&["key", "rotate-master"]);
        command.args(args).env("HONGYAN_DATA_DIR", dir).envs(keys.iter().copied()).current_dir(dir);
        run(&mut command).await
    };
    let server = serve_with(&old_alone).await;
    let caller = Caller::of(dir).await;
    let enciphered = caller.use_everything(&server.url("gateway"), &wechat).await;
    // The running gateway has only the old key, whatever keys this command has.
    let refused = rotate_with(&both, &[]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("Restart the gateway"), "{}", said(&refused));
    assert!(server.signal("TERM").await.success());
    let refused = rotate_with(&both, &["--generate"]).await;
    assert_eq!(refused.status.code(), Some(78));
    assert!(said(&refused).contains("master_key_previous"), "{}", said(&refused));
    assert!(!dir.join("master.key").exists());

    let server = serve_with(&both).await;
    let rotated = rotate_with(&both, &[]).await;
    assert!(rotated.status.success(), "{}", said(&rotated));
    assert!(said(&rotated).contains("master_key_previous from the settings"), "{}", said(&rotated));
    assert!(!said(&rotated).contains(&new) && !said(&rotated).contains(&old));
    caller.everything_opens(&server.url("gateway"), &wechat, &enciphered).await;
    // Killed, and started with only the new key.
    server.kill().await;
    let server = serve_with(&both[..1]).await;
    caller.everything_opens(&server.url("gateway"), &wechat, &enciphered).await;
    assert!(server.signal("TERM").await.success());
    let refused = run(serve(dir, &wechat.url).envs(old_alone)).await;
    assert_eq!(refused.status.code(), Some(78));
    assert!(said(&refused).contains("another master key"), "{}", said(&refused));
}
