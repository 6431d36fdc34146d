//! Logging in to the console: with a second factor, and through a proxy that names people.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use hongyan_clock::Clock;
use hongyan_gateway::config::{RequireTotp, Settings};
use hongyan_gateway::keys::{NewKey, Scope, create_key};
use hongyan_gateway::people::Role;
use hongyan_gateway::people::admin::{self, NewPerson};
use hongyan_gateway::{Context, Gateway};
use http::Method;
use secrecy::ExposeSecret;
use serde_json::Value;
use sha1::Sha1;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::process::{hongyan, run};
use crate::world::{Answer, Http, settings};

/// A gateway with its console, and a person `lihua` who has chosen a password.
struct Desk {
    url: String,
    http: Http,
    clock: Clock,
    gateway: Context,
    password: String,
    dir: tempfile::TempDir,
    _stop: watch::Sender<()>,
}

impl Desk {
    async fn open(adjust: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // No story here asks WeChat.
        let mut settings = settings(dir.path(), "http://127.0.0.1:9");
        adjust(&mut settings);
        let clock = Clock::system();
        let gateway = Gateway::start(settings, clock.clone()).await.unwrap();
        let context = gateway.context().clone();
        let gateway = gateway.with_pages(hongyan_console::router(&context));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, mut stopped) = watch::channel(());
        tokio::spawn(async move {
            let until = async move {
                // Ends when the sender is dropped with the desk.
                let _ = stopped.changed().await;
            };
            gateway.serve(listener, until).await.unwrap();
        });
        let store = &*context.store;
        let new = NewPerson { name: "lihua", role: Role::Admin, apps: None, must_change_password: false };
        let (_, password) = admin::add(store, &context.ids, &clock, new).await.unwrap();
        let password = password.expose_secret().to_owned();
        Self { url, http: Http::new(), clock, gateway: context, password, dir, _stop: stop }
    }

    /// Moves the clock to the beginning of the next step of codes, so that no story ends in another step by chance.
    fn next_step(&self) {
        let into = self.clock.now().0 % 30_000;
        self.clock.advance(30_000 - into);
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.http.send(Method::GET, &format!("{}{path}", self.url), headers, "").await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend(headers);
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.http.send(Method::POST, &format!("{}{path}", self.url), &all, form).await
    }

    /// Gives the right password.
    async fn give_password(&self) -> Answer {
        let fields = [("name", "lihua"), ("password", &*self.password), ("next", "/console/account")];
        self.post("/console/login", &[], &fields).await
    }

    async fn give_code(&self, asked: &Answer, code: &str) -> Answer {
        let fields = [("note", &*field(asked, "note")), ("next", &*field(asked, "next")), ("code", code)];
        self.post("/console/login/code", &[], &fields).await
    }

    /// Sets a second factor up in a new session; its secret, and the session's cookie.
    async fn set_up(&self) -> (Secret, String) {
        let cookie = cookie(&self.give_password().await);
        let headers = [("cookie", &*cookie)];
        let account = self.get("/console/account", &headers).await;
        let csrf = field(&account, "csrf");
        let ask = async |password: &str| {
            let fields = [("csrf", &*csrf), ("password", password)];
            self.post("/console/account/factor", &headers, &fields).await
        };
        let refused = ask("another password").await;
        assert_eq!(refused.status, 403, "a session alone does not set a factor up");
        assert!(!refused.text.contains("otpauth:"), "{}", refused.text);
        let shown = ask(&self.password).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        assert!(shown.text.contains("<path fill=\"#000\" d=\"M4 4h1v1h-1z"), "{}", shown.text);
        let secret = between(&shown.text, "id=\"secret\">", "<").to_owned();
        assert!(
            shown.text.contains(&format!("otpauth://totp/Hongyan:lihua?secret={secret}")),
            "{}",
            shown.text
        );
        let secret = Secret(secret);

        let sealed = field(&shown, "sealed");
        let confirm = async |code: &str| {
            let fields = [("csrf", &*csrf), ("sealed", &*sealed), ("code", code)];
            self.post("/console/account/factor/confirm", &headers, &fields).await
        };
        assert_eq!(confirm(&secret.wrong(self)).await.status, 422);
        assert_eq!(self.give_password().await.status, 303, "a factor that is not confirmed does not count");
        let confirmed = confirm(&secret.code(self, 0)).await;
        assert_eq!(location(&confirmed), "/console/account?factor-set", "{confirmed:?}");
        (secret, cookie)
    }

    /// Whether `/v1/people` and `hongyan user list` say that lihua has a second factor.
    async fn is_said_to_have_a_factor(&self) -> bool {
        let new = NewKey::new("story", &[Scope::People]);
        let (store, ids) = (&*self.gateway.store, &self.gateway.ids);
        let (_, key) = create_key(store, ids, &self.clock, new).await.unwrap();
        let bearer = format!("Bearer {}", key.expose_secret());
        let people = self.get("/v1/people", &[("authorization", &bearer)]).await.expect(200);
        let said = people["people"][0]["second_factor"].as_bool().unwrap();
        let list = async |args: &[&str]| {
            let mut command = hongyan(args);
            command.env("HONGYAN_DATA_DIR", self.dir.path()).current_dir(self.dir.path());
            String::from_utf8(run(&mut command).await.stdout).unwrap()
        };
        let listed: Value = serde_json::from_str(&list(&["user", "list", "--json"]).await).unwrap();
        assert_eq!(listed["people"][0]["second_factor"], said, "{listed}");
        assert_eq!(list(&["user", "list"]).await.contains("second factor"), said);
        said
    }
}

/// The secret as the page shows it, in an app.
struct Secret(String);

impl Secret {
    /// The code of the desk's time, or of a step before or after.
    fn code(&self, desk: &Desk, steps: i64) -> String {
        let (mut key, mut bits, mut count) = (Vec::new(), 0_u32, 0);
        for char in self.0.bytes() {
            let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == char).unwrap();
            bits = bits << 5 | value as u32;
            count += 5;
            if count >= 8 {
                count -= 8;
                key.push((bits >> count) as u8);
            }
        }
        let mut mac = Hmac::<Sha1>::new_from_slice(&key).unwrap();
        mac.update(&(desk.clock.now().as_seconds() / 30 + steps).to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let offset = usize::from(hash[19] & 15);
        let number = u32::from_be_bytes(hash[offset..offset + 4].try_into().unwrap());
        format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
    }

    /// A code that is wrong now.
    fn wrong(&self, desk: &Desk) -> String {
        let right = [-1, 0, 1].map(|steps| self.code(desk, steps));
        let wrong = ["000000", "000001", "000002", "000003"].into_iter();
        wrong.map(str::to_owned).find(|code| !right.contains(code)).unwrap()
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap().0
}

/// The value of a hidden field of a page.
fn field(page: &Answer, name: &str) -> String {
    between(&page.text, &format!("name=\"{name}\" value=\""), "\"").to_owned()
}

fn location(answer: &Answer) -> String {
    let place = answer.headers.get("location").unwrap_or_else(|| panic!("{answer:?}"));
    place.to_str().unwrap().to_owned()
}

/// The cookie of a session that an answer begins.
fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{answer:?}");
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_a_second_factor_asks_for_a_code_and_takes_each_code_once() {
    let desk = Desk::open(|_| {}).await;
    desk.next_step();
    assert!(!desk.is_said_to_have_a_factor().await);
    desk.next_step();
    let (secret, _) = desk.set_up().await;
    assert!(desk.is_said_to_have_a_factor().await);

    desk.next_step();
    let asked = desk.give_password().await;
    assert_eq!(asked.status, 200);
    assert!(!asked.headers.contains_key("set-cookie"), "there is no session without the code: {asked:?}");
    assert!(!asked.text.contains(&desk.password));
    let before = desk.give_code(&asked, &secret.code(&desk, -1)).await;
    assert_eq!(before.status, 401, "the code that confirmed the factor is used up");
    assert_eq!(desk.give_code(&asked, &secret.code(&desk, -2)).await.status, 401);
    assert_eq!(desk.give_code(&asked, &secret.code(&desk, 2)).await.status, 401);
    assert_eq!(desk.give_code(&asked, "").await.status, 401);

    let code = secret.code(&desk, 0);
    let entered = desk.give_code(&asked, &code).await;
    assert_eq!(location(&entered), "/console/account");
    let page = desk.get("/console/account", &[("cookie", &cookie(&entered))]).await;
    assert!(page.text.contains("/console/account/factor/remove"), "{}", page.text);
    assert_eq!(desk.give_code(&asked, &code).await.status, 401, "the same code again");

    // The phone is half a minute ahead, and then behind.
    let asked = desk.give_password().await;
    let entered = desk.give_code(&asked, &secret.code(&desk, 1)).await;
    assert_eq!(entered.status, 303);
    desk.next_step();
    assert_eq!(desk.give_code(&asked, &secret.code(&desk, 0)).await.status, 401, "it was used ahead of time");
    desk.next_step();
    desk.next_step();
    let asked = desk.give_password().await;
    assert_eq!(desk.give_code(&asked, &secret.code(&desk, -1)).await.status, 303);
    let made_up = [("note", "00"), ("code", &*secret.code(&desk, 0))];
    assert_eq!(desk.post("/console/login/code", &[], &made_up).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_make_the_next_try_wait_and_the_right_password_does_not_forgive_them() {
    let desk = Desk::open(|_| {}).await;
    desk.next_step();
    let (secret, _) = desk.set_up().await;
    desk.next_step();
    let asked = desk.give_password().await;
    for _ in 0..4 {
        assert_eq!(desk.give_code(&asked, &secret.wrong(&desk)).await.status, 401);
    }
    let asked = desk.give_password().await;
    assert_eq!(asked.status, 200);
    for wait in [1, 2, 4] {
        assert_eq!(desk.give_code(&asked, &secret.wrong(&desk)).await.status, 401);
        // The wait is a second or more; a slow machine may take longer for one answer, so it is looked for with the longest.
        if wait == 4 {
            assert_eq!(desk.give_code(&asked, &secret.code(&desk, 0)).await.status, 429);
            assert_eq!(desk.give_password().await.status, 429);
        }
        desk.clock.advance(Duration::from_secs(wait).as_millis() as i64);
    }
    assert_eq!(desk.give_code(&asked, &secret.code(&desk, 0)).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_taken_away_with_the_password_or_by_an_admin() {
    let desk = Desk::open(|_| {}).await;
    desk.next_step();
    let (secret, cookie) = desk.set_up().await;
    let headers = [("cookie", &*cookie)];
    let csrf = field(&desk.get("/console/account", &headers).await, "csrf");
    let remove = async |csrf: &str, password: &str, code: &str| {
        let fields = [("csrf", csrf), ("password", password), ("code", code)];
        desk.post("/console/account/factor/remove", &headers, &fields).await
    };
    desk.next_step();
    let code = secret.code(&desk, 0);
    assert_eq!(remove("", &desk.password, &code).await.status, 403, "the form is another site's");
    assert_eq!(remove(&csrf, "another password", &code).await.status, 403);
    assert_eq!(remove(&csrf, &desk.password, &secret.wrong(&desk)).await.status, 403);
    let used = secret.code(&desk, -1);
    assert_eq!(remove(&csrf, &desk.password, &used).await.status, 403, "it has confirmed the factor");
    assert_eq!(desk.give_password().await.status, 200);
    let again = [("csrf", &*csrf), ("password", &*desk.password)];
    let replaced = desk.post("/console/account/factor", &headers, &again).await;
    assert_eq!(location(&replaced), "/console/account", "the old factor must be taken away first");
    assert_eq!(location(&remove(&csrf, &desk.password, &code).await), "/console/account?factor-gone");
    assert_eq!(desk.give_password().await.status, 303, "no code is asked for");
    assert!(!desk.is_said_to_have_a_factor().await);

    desk.next_step();
    desk.set_up().await;
    assert!(desk.is_said_to_have_a_factor().await);
    let person = desk.gateway.store.person("lihua").await.unwrap().unwrap();
    admin::reset_password(&*desk.gateway.store, person.id).await.unwrap();
    assert!(!desk.is_said_to_have_a_factor().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_a_required_second_factor_is_led_to_set_it_up_and_sees_no_other_page() {
    let desk = Desk::open(|settings| settings.console_require_totp = RequireTotp::Admin).await;
    let cookie = async |name: &str, password: &str| {
        let fields = [("name", name), ("password", password), ("next", "/console/messages")];
        cookie(&desk.post("/console/login", &[], &fields).await)
    };
    let admin = cookie("lihua", &desk.password).await;
    let headers = [("cookie", &*admin)];
    for path in ["/console", "/console/messages", "/console/people", "/console/live", "/console/nothing"] {
        assert_eq!(location(&desk.get(path, &headers).await), "/console/account", "{path}");
    }
    let account = desk.get("/console/account", &headers).await;
    assert!(account.text.contains("A second factor is required of you"), "{}", account.text);
    let zh = desk.get("/console/account?lang=zh", &headers).await;
    assert!(zh.text.contains("要求使用第二因素"), "{}", zh.text);
    let fields = [("csrf", &*field(&account, "csrf")), ("name", "zhang"), ("role", "viewer")];
    assert_eq!(location(&desk.post("/console/people", &headers, &fields).await), "/console/account");
    assert!(desk.gateway.store.person("zhang").await.unwrap().is_none(), "no form does anything");

    // The factor opens all sessions of the person, and its removal closes them.
    desk.next_step();
    let (secret, other) = desk.set_up().await;
    for cookie in [&admin, &other] {
        assert_eq!(desk.get("/console/messages", &[("cookie", cookie)]).await.status, 200);
    }
    desk.next_step();
    let code = secret.code(&desk, 0);
    let fields = [("csrf", &*field(&account, "csrf")), ("password", &*desk.password), ("code", &*code)];
    let removed = desk.post("/console/account/factor/remove", &headers, &fields).await;
    assert_eq!(location(&removed), "/console/account?factor-gone");
    assert_eq!(location(&desk.get("/console/messages", &headers).await), "/console/account");

    let wang = NewPerson { name: "wang", role: Role::Operator, apps: None, must_change_password: false };
    let (_, password) = admin::add(&*desk.gateway.store, &desk.gateway.ids, &desk.clock, wang).await.unwrap();
    let operator = cookie("wang", password.expose_secret()).await;
    assert_eq!(desk.get("/console", &[("cookie", &operator)]).await.status, 200, "it is required of admins");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_may_be_required_of_all_but_those_whom_a_proxy_logs_in() {
    let desk = Desk::open(|settings| {
        trusting("127.0.0.0/8")(settings);
        settings.console_require_totp = RequireTotp::All;
    })
    .await;
    let store = &*desk.gateway.store;
    let wang = NewPerson { name: "wang", role: Role::Viewer, apps: None, must_change_password: true };
    let (_, password) = admin::add(store, &desk.gateway.ids, &desk.clock, wang).await.unwrap();
    assert_eq!(desk.get("/console", &[("x-user", "wang")]).await.status, 200);

    let fields = [("name", "wang"), ("password", password.expose_secret())];
    let cookie = cookie(&desk.post("/console/login", &[], &fields).await);
    let headers = [("cookie", &*cookie)];
    let account = desk.get("/console/account", &headers).await;
    assert!(
        !account.text.contains("A second factor is required"),
        "the password comes first: {}",
        account.text
    );
    assert!(account.text.contains("name=\"new\""), "{}", account.text);
    let csrf = field(&account, "csrf");
    let own = "correct horse battery";
    let fields = [("csrf", &*csrf), ("old", password.expose_secret()), ("new", own), ("again", own)];
    assert_eq!(location(&desk.post("/console/account", &headers, &fields).await), "/console/account?changed");
    let account = desk.get("/console/account?changed", &headers).await;
    assert!(account.text.contains("A second factor is required"), "{}", account.text);
    assert_eq!(location(&desk.get("/console", &headers).await), "/console/account");
}

/// Trusts the header `X-User` from this address.
fn trusting(address: &str) -> impl FnOnce(&mut Settings) {
    let from = address.parse().unwrap();
    move |settings| {
        settings.console_user_header = Some("X-User".parse().unwrap());
        settings.console_user_header_from = Some(vec![from]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_trusted_names_the_person_who_asks() {
    let desk = Desk::open(trusting("127.0.0.0/8")).await;
    let store = &*desk.gateway.store;
    let wang = NewPerson { name: "wang", role: Role::Viewer, apps: None, must_change_password: true };
    admin::add(store, &desk.gateway.ids, &desk.clock, wang).await.unwrap();

    let named = [("x-user", "LiHua")];
    let account = desk.get("/console/account", &named).await;
    assert_eq!(account.status, 200);
    assert!(account.text.contains("<dd>lihua</dd>"), "{}", account.text);
    assert!(!account.headers.contains_key("set-cookie"));
    let other = desk.get("/console/account", &[("x-user", "wang")]).await;
    assert!(other.text.contains("<dd>wang</dd>"), "no password is asked for, and so none must be changed");

    // A form must be of a page of the same person.
    let add = async |csrf: &str, name: &str| {
        let fields = [("csrf", csrf), ("name", name), ("role", "viewer")];
        desk.post("/console/people", &named, &fields).await
    };
    assert_eq!(add("", "zhang").await.status, 403);
    assert_eq!(add(&field(&other, "csrf"), "zhang").await.status, 403);
    assert_eq!(add(&field(&account, "csrf"), "zhang").await.status, 200);
    assert!(store.person("zhang").await.unwrap().is_some());

    // A name that nobody has is refused, also with a session of somebody else.
    let cookie = cookie(&desk.give_password().await);
    assert_eq!(desk.get("/console", &[("cookie", &cookie)]).await.status, 200, "there is no header");
    let unknown = desk.get("/console", &[("x-user", "mallory"), ("cookie", &cookie)]).await;
    assert_eq!(unknown.status, 403);
    assert!(unknown.text.contains("mallory"), "{}", unknown.text);
    let two = desk.get("/console", &[("x-user", "lihua"), ("x-user", "wang")]).await;
    assert_eq!(two.status, 403, "two names name nobody");
    // A session is another person's: the header wins.
    let both = desk.get("/console/account", &[("x-user", "wang"), ("cookie", &cookie)]).await;
    assert!(both.text.contains("<dd>wang</dd>"));
    // The header is the console's alone.
    desk.get("/v1/people", &named).await.problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_header_from_another_address_is_ignored() {
    let desk = Desk::open(trusting("10.0.0.5/32")).await;
    for headers in [
        vec![("x-user", "lihua")],
        vec![("x-user", "lihua"), ("x-forwarded-for", "10.0.0.5")],
        vec![("x-user", "mallory")],
    ] {
        let answer = desk.get("/console/account", &headers).await;
        assert_eq!(location(&answer), "/console/login?next=%2Fconsole%2Faccount", "{headers:?}");
    }
    let cookie = cookie(&desk.give_password().await);
    let page = desk.get("/console/account", &[("cookie", &cookie), ("x-user", "mallory")]).await;
    assert!(page.text.contains("<dd>lihua</dd>"), "{}", page.text);
}
