//! The code in the documentation that verifies signatures, run on a real delivery.

use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::receiver::{Received, Receiver};
use crate::world::World;

const PAGES: [&str; 2] =
    [include_str!("../../docs/webhooks.md"), include_str!("../../docs/webhooks.zh-CN.md")];

/// Appended to the code of a page: reads secret, headers and body, and prints the result of the check.
const NODE: &str = "\nconst { secret, headers, body } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));\n\
    console.log(verify(secret, headers, Buffer.from(body)));\n";
const PYTHON: &str = "\nimport json, sys\ngiven = json.load(sys.stdin)\n\
    print(str(verify(given['secret'], given['headers'], given['body'].encode())).lower())\n";

fn block<'a>(page: &'a str, language: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("```{language}\n")).expect("the page has such a block");
    rest.split_once("```").expect("the block ends").0
}

/// The output of the program; `None` if this machine does not have the program.
async fn says(program: &str, code: String, secret: &str, one: &Received, body: &str) -> Option<String> {
    let mut child = Command::new(program)
        .args([if program == "node" { "-e" } else { "-c" }, &code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let headers = json!({
        "webhook-id": one.id, "webhook-timestamp": one.timestamp, "webhook-signature": one.signature,
    });
    let given = json!({ "secret": secret, "headers": headers, "body": body }).to_string();
    child.stdin.take().unwrap().write_all(given.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_in_the_pages_tells_a_good_signature_from_a_bad_one() {
    let world = World::with_webhooks().await;
    let receiver = Receiver::start().await;
    let (hook, old) = world.hook(&receiver, &["message.sent"]).await;
    let new =
        world.do_webhook(&hook, "secret", json!({})).await.expect(200)["secret"].as_str().unwrap().to_owned();
    let user = world.wechat.user().await;
    world.grant_subscription(&user).await;
    let mut message = world.subscribe(&user, "coffee");
    message["reference"] = "订单 7".into();
    world.send(message).await;
    let told = receiver.first("message.sent").await;
    for page in PAGES {
        for (program, language, rest) in [("node", "js", NODE), ("python3", "python", PYTHON)] {
            let code = format!("{}{rest}", block(page, language));
            let asked =
                async |secret: &str, body: &str| says(program, code.clone(), secret, &told, body).await;
            let Some(good) = asked(&new, &told.text).await else {
                eprintln!("there is no {program} here; its code was not tried");
                continue;
            };
            assert_eq!(good, "true", "{program}");
            assert_eq!(asked(&old, &told.text).await.unwrap(), "true", "{program}: the second signature");
            let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
            assert_eq!(asked(other, &told.text).await.unwrap(), "false", "{program}");
            let changed = told.text.replace("订单 7", "订单 8");
            assert_eq!(asked(&new, &changed).await.unwrap(), "false", "{program}");
        }
    }
}
