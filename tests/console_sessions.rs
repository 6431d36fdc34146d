//! Sessions of the console and the passwords that begin them, over HTTP.

use std::time::Duration;

use hongyan_gateway::people::Role;
use http::Method;
use secrecy::{ExposeSecret, SecretString};

use crate::console::{Visitor, add, cookie, log_in, send, try_log_in, visitor};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_nobody_uses_it_and_after_a_day_in_any_case() {
    let world = World::start().await;
    let used = visitor(&world, "used", Role::Viewer, None).await;
    let idle = log_in(&world, "used", &used.password).await;
    let hour = Duration::from_secs(3_600);
    world.advance(hour);
    assert!(used.is_in().await);
    world.advance(hour);
    assert!(!idle.is_in().await, "two hours without a request");
    for _ in 2..23 {
        assert!(used.is_in().await);
        world.advance(hour);
    }
    assert!(used.is_in().await);
    world.advance(hour + Duration::from_secs(60));
    let ended = used.get("/console/messages?state=failed").await;
    assert_eq!(ended.status, 303, "24 hours after the login");
    assert_eq!(ended.headers["location"], "/console/login?next=%2Fconsole%2Fmessages%3Fstate%3Dfailed");
    // The time of a stream is bounded, and a stream needs a session.
    assert_eq!(used.get("/console/live").await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_ends_the_session_before_it_and_a_person_logs_out_everywhere() {
    let world = World::start().await;
    let here = visitor(&world, "lihua", Role::Viewer, None).await;
    let elsewhere = log_in(&world, "lihua", &here.password).await;
    let other = visitor(&world, "wang", Role::Viewer, None).await;
    let again = try_log_in(&world, "lihua", &here.password, &[("cookie", &here.cookie)]).await;
    assert_ne!(
        cookie(&again.headers).split(';').next().unwrap(),
        here.cookie,
        "each login has its own token"
    );
    assert!(!here.is_in().await, "the browser has another session now");
    let third = log_in(&world, "lihua", &here.password).await;
    assert!(elsewhere.is_in().await && third.is_in().await);
    assert_eq!(elsewhere.post_with("/console/account/sessions", &[], None).await.status, 403);
    assert!(third.is_in().await);
    let out = elsewhere.post("/console/account/sessions", &[]).await;
    assert_eq!(out.headers["location"], "/console/login");
    assert!(!elsewhere.is_in().await && !third.is_in().await);
    assert!(other.is_in().await);
}

/// Where the forms post that end the sessions that the account lists: the session of this page, and the others.
async fn ends(visitor: &Visitor<'_>) -> (Option<String>, Vec<String>) {
    let page = visitor.get("/console/account").await.text;
    let path = |row: &str| {
        let from = row.find("/console/account/sessions/")?;
        row[from..].split('"').next().map(str::to_owned)
    };
    let (this, others): (Vec<_>, Vec<_>) =
        page.split("<tr>").filter(|row| path(row).is_some()).partition(|row| row.contains("this session"));
    assert!(this.len() <= 1, "{page}");
    (this.into_iter().find_map(path), others.into_iter().filter_map(path).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_the_own_open_sessions_and_ends_one_of_them() {
    let world = World::start().await;
    let here = visitor(&world, "lihua", Role::Viewer, None).await;
    let elsewhere = log_in(&world, "lihua", &here.password).await;
    let other = visitor(&world, "wang", Role::Viewer, None).await;
    let (this, others) = ends(&here).await;
    assert_eq!(ends(&elsewhere).await, (Some(others[0].clone()), vec![this.clone().unwrap()]));
    assert_eq!(others.len(), 1, "{others:?}");

    assert_eq!(here.post_with(&others[0], &[], None).await.status, 403);
    assert_eq!(other.post(&others[0], &[]).await.status, 303);
    assert!(elsewhere.is_in().await, "nobody ends a session of somebody else");
    let ended = here.post(&others[0], &[]).await;
    assert_eq!(ended.headers["location"], "/console/account?session-ended");
    assert!(here.is_in().await && !elsewhere.is_in().await);

    // A session that is idle for too long is not open, though nothing has removed it yet.
    log_in(&world, "lihua", &here.password).await;
    assert_eq!(ends(&here).await.1.len(), 1);
    for _ in 0..2 {
        world.advance(Duration::from_secs(3_600));
        assert!(here.is_in().await);
    }
    assert_eq!(ends(&here).await, (this.clone(), vec![]));
    assert_eq!(here.post(&this.unwrap(), &[]).await.status, 303);
    assert!(!here.is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_sessions_says_from_where_each_login_came() {
    let world = World::start().await;
    let here = visitor(&world, "lihua", Role::Viewer, None).await;
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
    for (address, words) in [("203.0.113.5", firefox), ("2001:db8::9", "<script>alert(1)</script>")] {
        let headers = [("x-forwarded-for", address), ("user-agent", words)];
        assert_eq!(try_log_in(&world, "lihua", &here.password, &headers).await.status, 303);
    }
    let page = here.get("/console/account").await.text;
    assert!(
        page.contains("Firefox · Linux, 203.0.113.5") && page.contains(&format!("title=\"{firefox}\"")),
        "{page}"
    );
    assert!(page.contains(", 2001:db8::9") && !page.contains("<script>alert"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_easy_to_guess_is_refused_with_the_reason() {
    let world = World::start().await;
    let person = visitor(&world, "lihua", Role::Viewer, None).await;
    let choose = async |path: &str, new: &str| {
        let fields = [("old", person.password.as_str()), ("new", new), ("again", new)];
        let answer = person.post(path, &fields).await;
        assert_eq!(answer.status, 422, "{new}: {}", answer.text);
        answer.text
    };
    for (new, en, zh) in [
        ("short", "it needs at least 10 characters", "至少 10 个字符"),
        ("lihua-and-a-horse", "it has your name in it", "包含您的用户名"),
        ("Hongyan-and-a-horse", "“hongyan” in it", "包含“鸿雁”"),
        ("abc1abc1abc1", "it repeats itself", "重复或连续"),
        ("Password123", "many people use it", "很多人都在用"),
        (&person.password, "the one that you have now", "与现在的口令相同"),
    ] {
        let told = choose("/console/account", new).await;
        assert!(told.contains(en), "{new}: {told}");
        let told = choose("/console/account?lang=zh", new).await;
        assert!(told.contains(zh), "{new}: {told}");
    }
    assert_eq!(try_log_in(&world, "lihua", &person.password, &[]).await.status, 303, "the password stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_logs_in_once_and_for_a_while() {
    let world = World::start().await;
    add(&world, "lihua", Role::Viewer, None).await;
    let person = world.gateway.store.person("lihua").await.unwrap().unwrap();
    let link = async || -> String {
        let token: SecretString =
            world.gateway.sessions.link(&person, Duration::from_secs(600)).await.unwrap();
        format!("/console/login?token={}", token.expose_secret())
    };
    let follow = async |path: &str| send(&world, Method::GET, path, &[], String::new()).await;
    let first = link().await;
    let answer = follow(&first).await;
    assert_eq!((answer.status.as_u16(), answer.headers["location"].to_str().unwrap()), (303, "/console"));
    let again = follow(&first).await;
    assert_eq!((again.status.as_u16(), again.headers.get("set-cookie")), (401, None));
    assert!(again.text.contains("A link to log in is good once"), "{}", again.text);
    let late = link().await;
    world.advance(Duration::from_secs(601));
    assert_eq!(follow(&late).await.status, 401);
}
