use hongyan_clock::UnixMillis;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::settle::*;
use hongyan_ledger::*;
use hongyan_store::{Store, sqlite::*, types::*};
use std::sync::Arc;
use std::time::Instant;
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn rss() -> String {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM"))
        .map(|l| l.replace('\t', " "))
        .collect::<Vec<_>>()
        .join(" ")
}
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let path = std::env::args().nth(1).unwrap();
    let n: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let own = std::env::args().nth(3).as_deref() == Some("own");
    let store = SqliteStore::open(SqliteConfig::new(&path)).unwrap();
    let appid: hongyan_wechat::AppId = "wx0123456789abcdef".parse().unwrap();
    store
        .add_app(AppRecord {
            appid: appid.clone(),
            name: "x".into(),
            secret: vec![],
            gateway_secret_hash: [0; 32],
            stable_token: true,
            on_unknown: OnUnknown::Hold,
            payment_units: 1,
            paused: None,
            templates_synced_at: None,
            created_at: UnixMillis(0),
            updated_at: UnixMillis(0),
        })
        .await
        .unwrap();
    let ids = Arc::new(IdMaker::new());
    let now = UnixMillis(1_790_000_000_000);
    let users = 20_000u64;
    if !own {
        for c in 0..users / 1000 {
            let p: Vec<_> = (0..1000)
                .map(|i| {
                    let o: hongyan_wechat::OpenId = format!("oUser{:023}", c * 1000 + i).parse().unwrap();
                    NewPermit {
                        id: ids.permit(Lane::of(&appid, &o), now),
                        appid: appid.clone(),
                        openid: o,
                        kind: PermitKind::SubscribeOnce,
                        code: None,
                        template: Some("t".parse().unwrap()),
                        count: 1000,
                        expires_at: None,
                    }
                })
                .collect();
            store.grant(p, now).await.unwrap();
        }
    }
    let (t0, c0) = (Instant::now(), cpu());
    let mut tasks = vec![];
    for w in 0..64u64 {
        let (store, ids, appid) = (store.clone(), ids.clone(), appid.clone());
        tasks.push(tokio::spawn(async move {
            let mut x = w + 1;
            for i in 0..n / 64 {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let u = (x >> 33) % (users / 64) + w * (users / 64);
                let o: hongyan_wechat::OpenId = format!("oUser{u:023}").parse().unwrap();
                let lane = Lane::of(&appid, &o);
                let now = UnixMillis(now.0 + i as i64);
                let own_permit = own.then(|| NewPermit {
                    id: ids.permit(lane, now),
                    appid: appid.clone(),
                    openid: o.clone(),
                    kind: PermitKind::Form,
                    code: Some(format!("{x:032x}")),
                    template: None,
                    count: 1,
                    expires_at: Some(UnixMillis(now.0 + 600_000_000)),
                });
                let mut key_hash = [0; 16];
                key_hash[..8].copy_from_slice(&x.to_be_bytes());
                key_hash[8] = w as u8;
                let m = NewMessage {
                    id: ids.message(lane, now),
                    appid: appid.clone(),
                    openid: o,
                    template: "t".parse().unwrap(),
                    channel: if own { Channel::Legacy } else { Channel::Subscribe },
                    body: Arc::from(vec![b'x'; 300]),
                    send_at: now,
                    deadline: None,
                    policy: PermitPolicy::Require,
                    on_unknown: OnUnknown::Hold,
                    reserve_now: false,
                    reference: None,
                    idempotency: Some(Idempotency { key_hash, fingerprint: [0; 8] }),
                    own_permit,
                    accepted_at: now,
                    room: true,
                };
                let Accepted::New { claimed: Some(c), .. } = store.accept(vec![m]).await.unwrap().remove(0)
                else {
                    panic!()
                };
                let outcome = Outcome::Answered { errcode: hongyan_wechat::Errcode(0), errmsg: "ok".into() };
                let p = c.permit.as_ref().unwrap();
                let effects = settle(
                    &InFlight {
                        attempt: 1,
                        permit: Some(PermitInUse { kind: p.kind, granted: p.granted, held: p.held }),
                        on_unknown: OnUnknown::Hold,
                        maybe_delivered: false,
                    },
                    &outcome,
                    now,
                    0.5,
                );
                store
                    .settle(vec![Settlement {
                        id: c.id,
                        attempt: 1,
                        ended_at: now,
                        outcome,
                        effects,
                        room: true,
                    }])
                    .await
                    .unwrap();
            }
        }));
    }
    for t in tasks {
        t.await.unwrap();
    }
    let (dt, dc) = (t0.elapsed().as_secs_f64(), cpu() - c0);
    println!("{n} in {dt:.2}s = {:.0}/s cpu {:.4}/1000 {}", n as f64 / dt, dc / (n as f64) * 1000.0, rss());
    store.close().await;
}
