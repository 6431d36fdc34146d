//! `hongyan healthcheck`, as a container runs it: without a shell, without a key, with the gateway's own settings.

use std::process::Output;
use std::time::Instant;

use hongyan_clock::Clock;
use tokio::net::TcpListener;

use crate::process::{Server, hongyan, run, serve};
use crate::world::Platform;

/// No server answers at this address.
const NOWHERE: &str = "http://127.0.0.1:9";

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_well_at_the_address_of_its_settings() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(serve(dir.path(), NOWHERE).env("HONGYAN_ADMIN_LISTEN", "127.0.0.1:0")).await;
    let address = server.url("admin").replace("http://", "");
    std::fs::write(dir.path().join("hongyan.toml"), format!("admin_listen = \"{address}\"\n")).unwrap();
    let begun = Instant::now();
    for args in [&["healthcheck"][..], &["healthcheck", "--ready"]] {
        let output = run(hongyan(args).env_clear().current_dir(dir.path())).await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    }
    assert!(begun.elapsed().as_secs() < 5);
    // With its own listener for health, the other one has none.
    let output = run(&mut hongyan(&["healthcheck", "--url", &server.url("gateway")])).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("404"), "{}", stderr(&output));
    let output = run(&mut hongyan(&["healthcheck", "--ready", "--url", &server.url("admin")])).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(server.signal("TERM").await.success());
    let output = run(hongyan(&["healthcheck"]).current_dir(dir.path())).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("/livez does not answer"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_is_not_well() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let output = run(&mut hongyan(&["healthcheck", "--url", &url, "--timeout", "1"])).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("within 1 s"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_is_asked_in_the_same_way() {
    let wechat = Platform::start(Clock::system()).await;
    for args in [&["healthcheck"][..], &["healthcheck", "--ready"]] {
        let output = run(&mut hongyan(&[args, &["--url", &wechat.url]].concat())).await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    assert_eq!(wechat.asked("/livez").await, 0, "the question is none to WeChat");
}
