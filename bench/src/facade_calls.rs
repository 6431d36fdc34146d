//! What a call through the facade costs. The same call goes straight to WeChat and through the gateway, in turn, one at a
//! time, so that the load of the machine is the same for both.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::bench::{Bench, Part, say};
use crate::client::Connection;
use crate::figures::{median, percentile_ms};
use crate::gateway::Gateway;
use crate::message::APPID;

/// One of the many calls that the gateway only passes on.
const PATH: &str = "/wxa/business/getuserphonenumber";

/// The body of the call.
const BODY: &str = r#"{"code":"e31968a7f94cc5ee25fafc2aef2773f0bb8c3937b22520eb8ee345274d00c144"}"#;

/// Calls in a round, each way.
const CALLS: u32 = 5_000;

/// The results: medians of the rounds.
#[derive(Debug, Serialize)]
#[allow(clippy::struct_field_names, reason = "each says its unit")]
pub(crate) struct FacadeCalls {
    pub(crate) direct_p50_ms: f64,
    pub(crate) direct_p99_ms: f64,
    pub(crate) facade_p50_ms: f64,
    pub(crate) facade_p99_ms: f64,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

/// Runs all rounds.
pub(crate) async fn measure(bench: &Bench) -> Result<FacadeCalls> {
    let mut rounds = Vec::new();
    for number in 1..=bench.rounds {
        say(&format!("{}, round {number} of {}", Part::Facade.name(), bench.rounds));
        rounds.push(round(bench).await?);
    }
    let of = |figure: fn(&FacadeCalls) -> f64| median(rounds.iter().map(figure).collect());
    Ok(FacadeCalls {
        direct_p50_ms: of(|round| round.direct_p50_ms),
        direct_p99_ms: of(|round| round.direct_p99_ms),
        facade_p50_ms: of(|round| round.facade_p50_ms),
        facade_p99_ms: of(|round| round.facade_p99_ms),
    })
}

async fn round(bench: &Bench) -> Result<FacadeCalls> {
    let dir = bench.dir()?;
    let gateway = Gateway::start(&bench.hongyan, dir.path(), &bench.sink.url).await?;
    let mut through = gateway.target.connect().await?;
    let mut direct = bench.sink.target()?.connect().await?;
    let asked = serde_json::json!({
        "grant_type": "client_credential", "appid": APPID, "secret": gateway.secret,
    });
    let answer = through.post("/cgi-bin/stable_token", asked.to_string().into(), StatusCode::OK).await?;
    let Token { access_token } =
        serde_json::from_slice(&answer).map_err(|error| format!("no token: {error}"))?;
    let path = format!("{PATH}?access_token={access_token}");
    let (mut straight, mut passed) = (Vec::new(), Vec::new());
    for number in 0..CALLS + CALLS / 10 {
        let (one, other) = (call(&mut direct, &path).await?, call(&mut through, &path).await?);
        // The first tenth warms up.
        if number >= CALLS / 10 {
            straight.push(one);
            passed.push(other);
        }
    }
    gateway.stop().await?;
    straight.sort_unstable();
    passed.sort_unstable();
    Ok(FacadeCalls {
        direct_p50_ms: percentile_ms(&straight, 50),
        direct_p99_ms: percentile_ms(&straight, 99),
        facade_p50_ms: percentile_ms(&passed, 50),
        facade_p99_ms: percentile_ms(&passed, 99),
    })
}

async fn call(connection: &mut Connection, path: &str) -> Result<Duration> {
    let begin = Instant::now();
    let answer = connection.post(path, BODY.into(), StatusCode::OK).await?;
    let took = begin.elapsed();
    if answer.starts_with(br#"{"errcode":0"#) {
        Ok(took)
    } else {
        Err(format!("the call was refused: {}", String::from_utf8_lossy(&answer)))
    }
}
