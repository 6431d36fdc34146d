//! The speed of the sandbox alone: `hongyan sandbox` gets subscribe messages like WeChat, checks them and shows them.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::Result;
use crate::bench::{Bench, Part, say};
use crate::client::{Connection, Target};
use crate::load::{Load, Requests};
use crate::process::{Process, command};
use crate::sink::SEND_PATH;
use crate::trial::{self, Figures, Reaches, warm_up};

#[derive(Deserialize)]
struct Ready {
    sandbox: String,
    appid: String,
    app_secret: String,
    templates: Templates,
}

#[derive(Deserialize)]
struct Templates {
    subscribe: String,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

#[derive(Deserialize)]
struct Users {
    openids: Vec<String>,
}

/// Runs all rounds. "Delivered" counts the sandbox's answers, and "accept" is their latency.
pub(crate) async fn measure(bench: &Bench) -> Result<Figures> {
    let mut rounds = Vec::new();
    for number in 1..=bench.rounds {
        say(&format!("{}, round {number} of {}", Part::Sandbox.name(), bench.rounds));
        rounds.push(round(bench).await?);
    }
    Ok(Figures::medians(&rounds))
}

async fn round(bench: &Bench) -> Result<Figures> {
    let dir = bench.dir()?;
    let mut command = command(&bench.hongyan, dir.path());
    command.args(["sandbox", "--json", "--listen", "127.0.0.1:0"]).env("HONGYAN_LOG", "error");
    let (process, line) = Process::start("sandbox", &mut command).await?;
    let ready: Ready = serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?;
    let target = Target::new(&ready.sandbox)?;
    let mut connection = target.connect().await?;
    let units = (warm_up(bench.messages) + bench.messages).div_ceil(bench.users);
    let bodies = subscribers(&mut connection, &ready, bench.users, units).await?;
    let asked =
        json!({ "grant_type": "client_credential", "appid": ready.appid, "secret": ready.app_secret });
    let token: Token = ask(&mut connection, "/cgi-bin/stable_token", &asked).await?;
    let path: Arc<str> = format!("{SEND_PATH}?access_token={}", token.access_token).into();
    let requests = Requests::Wechat { path, bodies };
    let load = Load { target, connections: bench.connections, requests };
    let figures = trial::measure(bench, &load, &[&process], 0, Reaches::Nothing).await?;
    process.stop().await?;
    Ok(figures)
}

/// Makes users who have each accepted `units` messages. Returns the body of a message to each user.
async fn subscribers(
    connection: &mut Connection,
    ready: &Ready,
    users: u32,
    units: u32,
) -> Result<Arc<[Bytes]>> {
    let asked = json!({ "appid": ready.appid, "count": users });
    let Users { openids } = ask(connection, "/_sandbox/users", &asked).await?;
    let template = &ready.templates.subscribe;
    let mut bodies = Vec::with_capacity(openids.len());
    for openid in openids {
        let accepted = json!({
            "appid": ready.appid, "openid": openid, "template_id": template, "result": "accept", "count": units,
        });
        let _: serde_json::Value = ask(connection, "/_sandbox/subscriptions", &accepted).await?;
        let body = json!({
            "touser": openid,
            "template_id": template,
            "page": "pages/index/index?from=card",
            "data": {
                "thing1": { "value": "拿铁咖啡一杯" },
                "date2": { "value": "2026年5月1日 09:30" },
                "amount3": { "value": "¥18.00" },
            },
        });
        bodies.push(Bytes::from(body.to_string()));
    }
    Ok(bodies.into())
}

async fn ask<T: DeserializeOwned>(
    connection: &mut Connection,
    path: &str,
    body: &serde_json::Value,
) -> Result<T> {
    let answer = connection.post(path, body.to_string().into(), StatusCode::OK).await?;
    serde_json::from_slice(&answer)
        .map_err(|error| format!("{path}: {error}: {}", String::from_utf8_lossy(&answer)))
}
