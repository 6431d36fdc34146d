//! What the files must have at least: a number of cases, every errcode that the gateway meets, every magic id.

use std::collections::BTreeSet;

use http::Method;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::case::Named;
use crate::in_runtime;
use crate::world::World;

const LEAST_CASES: usize = 150;

/// The errcodes of the calls for notifications, by the pages of those calls.
const ERRCODES: &[i64] = &[
    -1, 40001, 40002, 40003, 40013, 40014, 40029, 40037, 40125, 40163, 40164, 40226, 40243, 41001, 41002,
    41004, 41028, 41029, 41030, 42001, 43002, 43101, 43107, 43108, 45009, 45011, 45168, 47001, 47003, 48006,
    50004, 50007, 76001, 76021, 87009, 89503, 89506, 89507, 200_011, 200_012, 200_013, 200_014, 200_016,
    200_017, 200_018, 200_019, 200_020, 200_021, 200_022, 200_100,
];

pub fn trials(cases: &[Named]) -> Vec<Trial> {
    let titles: Vec<_> = cases.iter().map(Named::title).collect();
    let codes: BTreeSet<_> = cases.iter().filter_map(|named| named.case.errcode()).collect();
    let empty: Vec<_> =
        cases.iter().filter(|n| n.case.expect.is_empty() && !n.case.request.lost).map(Named::title).collect();
    let text = format!("{cases:?}");
    vec![
        trial("there are enough cases, each under its own name", move || {
            let unique: BTreeSet<_> = titles.iter().collect();
            complain(titles.len() < LEAST_CASES, format!("only {} cases", titles.len()))?;
            complain(unique.len() < titles.len(), "two cases have the same name".to_owned())
        }),
        trial("every case expects something", move || complain(!empty.is_empty(), format!("{empty:?}"))),
        trial("every errcode of these calls has a case", move || {
            let missing: Vec<_> = ERRCODES.iter().filter(|code| !codes.contains(code)).collect();
            complain(!missing.is_empty(), format!("no case gives {missing:?}"))
        }),
        trial("every magic id of the page of help has a case", move || in_runtime(every_magic_id(text))),
    ]
}

fn trial(name: &str, check: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::test(format!("coverage::{name}"), check)
}

fn complain(is_wrong: bool, words: String) -> Result<(), Failed> {
    if is_wrong { Err(words.into()) } else { Ok(()) }
}

async fn every_magic_id(cases: String) -> Result<(), String> {
    let world = World::sandbox().await;
    let page = world.ask(Method::GET, "/help", "", String::new()).await?;
    assert_eq!(page.body, Value::Null, "the page is JSON");
    let ids: Vec<_> = page
        .text
        .split("<code class=\"id\">sandbox-")
        .skip(1)
        .filter_map(|rest| rest.split_once("</code>").map(|(word, _)| format!("sandbox-{word}")))
        .collect();
    if ids.len() < 30 {
        return Err(format!("only {} ids on the page", ids.len()));
    }
    let missing: Vec<_> = ids.iter().filter(|id| !cases.contains(id.as_str())).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no case has {missing:?}")) }
}
