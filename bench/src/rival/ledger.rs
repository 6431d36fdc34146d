//! The forwarder with the gateway's store instead of its one table. This shows what permits, idempotency keys, order per user
//! and attempts cost in the database, without the rest of the gateway.
//!
//! A gateway on this store cannot cost less. There are no API keys, no checks, no tokens and no schedule.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hongyan_clock::Clock;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::settle::{Outcome, settle};
use hongyan_ledger::{Channel, Lane, OnUnknown, PermitKind, PermitPolicy};
use hongyan_store::Store;
use hongyan_store::sqlite::{SqliteConfig, SqliteStore};
use hongyan_store::types::{Accepted, AppRecord, Claimed, Epoch, Idempotency, NewMessage, NewPermit};
use hongyan_wechat::{AppId, Errcode, OpenId, TemplateId};
use http::StatusCode;
use tokio::task::JoinSet;

use super::send::Sender;
use super::{WORKERS, body, serve};
use crate::{Result, message};

/// Permits that are granted in one transaction.
const GRANTED_AT_ONCE: usize = 1000;

pub(super) async fn run(wechat: &str, database: &Path, users: u32, units: u32) -> Result {
    let ledger = Arc::new(Ledger::open(database, users, units).await?);
    let (queue, claimed) = flume::unbounded();
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        workers.spawn(work(claimed.clone(), Sender::new(wechat)?, Arc::clone(&ledger)));
    }
    let accepting = Arc::clone(&ledger);
    serve::until_told(move |message| accept(message, Arc::clone(&accepting), queue.clone())).await?;
    // The server has dropped the last sender of the queue, so the workers end when the queue is empty.
    while workers.join_next().await.is_some() {}
    ledger.store.close().await;
    Ok(())
}

struct Ledger {
    store: SqliteStore,
    appid: AppId,
    template: TemplateId,
    ids: IdMaker,
    clock: Clock,
    /// The epoch of each lane. This process owns all lanes.
    epochs: Vec<Epoch>,
    /// The number of idempotency keys so far.
    keys: AtomicU64,
}

impl Ledger {
    async fn open(database: &Path, users: u32, units: u32) -> Result<Self> {
        let store = SqliteStore::open(SqliteConfig::new(database)).map_err(failed)?;
        let clock = Clock::system();
        let mut epochs = Vec::new();
        for lane in Lane::all() {
            let acquired = store.acquire(lane, "bench", clock.now()).await.map_err(failed)?;
            epochs.push(acquired.ok_or("another node has the lane")?.epoch);
        }
        let appid = message::APPID.parse().expect("an appid as the gateway takes it");
        let template = message::TEMPLATE.parse().expect("a template id as the gateway takes it");
        let keys = AtomicU64::new(0);
        let ledger = Self { store, appid, template, ids: IdMaker::new(), clock, epochs, keys };
        ledger.store.add_app(ledger.app()).await.map_err(failed)?;
        let permits: Vec<_> = (0..users).map(|user| ledger.permit(user, units)).collect();
        for some in permits.chunks(GRANTED_AT_ONCE) {
            ledger.store.grant(some.to_vec(), ledger.clock.now()).await.map_err(failed)?;
        }
        Ok(ledger)
    }

    fn app(&self) -> AppRecord {
        AppRecord::new(self.appid.clone(), vec![0; 64], [0; 32], self.clock.now())
    }

    fn permit(&self, user: u32, units: u32) -> NewPermit {
        let openid: OpenId = message::user(user).parse().expect("an openid as the gateway takes it");
        NewPermit {
            id: self.ids.permit(Lane::of(&self.appid, &openid), self.clock.now()),
            appid: self.appid.clone(),
            openid,
            kind: PermitKind::SubscribeOnce,
            code: None,
            template: Some(self.template.clone()),
            count: units,
            expires_at: None,
            reported_by: None,
            claim: None,
        }
    }

    fn message(&self, openid: OpenId, body: Vec<u8>) -> NewMessage {
        let (lane, now) = (Lane::of(&self.appid, &openid), self.clock.now());
        // `scatter` replaces a hash: each key is new, and the keys come in random order.
        let key_hash = message::scatter(self.keys.fetch_add(1, Ordering::Relaxed)).to_be_bytes();
        NewMessage {
            id: self.ids.message(lane, now),
            appid: self.appid.clone(),
            openid,
            template: self.template.clone(),
            channel: Channel::Subscribe,
            body: body.into(),
            send_at: now,
            deadline: None,
            policy: PermitPolicy::Require,
            on_unknown: OnUnknown::Hold,
            reserve_now: false,
            reference: None,
            collapse_key: None,
            idempotency: Some(Idempotency { key_hash, fingerprint: [7; 8] }),
            own_permit: None,
            accepted_at: now,
            accepted_by: None,
            origin: hongyan_store::types::Origin::default(),
            start: Some(self.epochs[lane.index()]),
        }
    }
}

async fn accept(message: Bytes, ledger: Arc<Ledger>, queue: flume::Sender<Claimed>) -> StatusCode {
    let Ok((Ok(openid), body)) = body::with_user(&message, str::parse) else {
        return StatusCode::BAD_REQUEST;
    };
    let new = ledger.message(openid, body);
    match ledger.store.accept(vec![new]).await.map(|mut accepted| accepted.pop()) {
        Ok(Some(Accepted::New { claimed, .. })) => {
            // Without a claim, an earlier message of the user is under way; `settle` then returns this message as the next.
            if let Some(claimed) = claimed {
                let _ = queue.send(*claimed);
            }
            StatusCode::ACCEPTED
        }
        answer => {
            eprintln!("not accepted: {answer:?}");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

async fn work(queue: flume::Receiver<Claimed>, mut sender: Sender, ledger: Arc<Ledger>) {
    while let Ok(first) = queue.recv_async().await {
        let mut next = Some(first);
        while let Some(claimed) = next.take() {
            let outcome = match sender.send(Bytes::from_owner(Arc::clone(&claimed.body))).await {
                Ok(true) => Outcome::answered(Errcode(0), "ok"),
                Ok(false) => Outcome::answered(Errcode(-1), "not taken"),
                Err(why) => Outcome::Unanswered { why },
            };
            let now = ledger.clock.now();
            let effects = settle(&claimed.in_flight(), &outcome, now, 0.5);
            let settlement = claimed.settlement(now, outcome, effects, true);
            match ledger.store.settle(vec![settlement]).await {
                Ok(mut settled) => next = settled.pop().and_then(|settled| settled.next).map(|next| *next),
                Err(why) => eprintln!("not settled: {why}"),
            }
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn failed(error: hongyan_store::StoreError) -> String {
    error.to_string()
}
