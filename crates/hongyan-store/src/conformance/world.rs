//! A store with one app in it, and short helpers for the checks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use hongyan_clock::UnixMillis;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::settle::{Outcome, settle};
use hongyan_ledger::units::Totals;
use hongyan_ledger::{Channel, Lane, MessageId, MessageState, OnUnknown, PermitKind, PermitPolicy};
use hongyan_wechat::{AppId, Errcode, OpenId, TemplateId};

use super::database::Database;
use super::heard::{Heard, Heeded};
use crate::Store;
use crate::types::{
    Accepted, Acquired, AppRecord, ClaimBatch, Claimed, Epoch, FeedCursor, Granted, MessageDetail,
    MessageFilter, MessageView, NewMessage, NewPermit, Origin, Settled, Settlement,
};

/// When every check begins.
pub(super) const START: UnixMillis = UnixMillis(1_790_000_000_000);

/// So many seconds after the beginning.
pub(super) const fn after(seconds: u64) -> UnixMillis {
    START.plus(Duration::from_secs(seconds))
}

pub(super) fn appid() -> AppId {
    "wx0123456789abcdef".parse().unwrap()
}

/// The user with this number.
pub(super) fn user(number: u32) -> OpenId {
    format!("oUser{number:023}").parse().unwrap()
}

pub(super) fn template(name: &str) -> TemplateId {
    name.parse().unwrap()
}

pub(super) fn app(appid: AppId) -> AppRecord {
    AppRecord::new(appid, vec![1, 2, 3], [7; 32], START)
}

pub(super) struct World {
    database: Arc<dyn Database>,
    pub(super) store: Arc<dyn Store>,
    /// Every store that was opened.
    opened: Opened,
    pub(super) ids: IdMaker,
    /// The epoch of each lane; the world owns all lanes.
    epochs: Mutex<HashMap<Lane, Epoch>>,
    heard: Arc<Heard>,
}

/// Stores that a check has opened. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Opened(Arc<Mutex<Vec<Arc<dyn Store>>>>);

impl Opened {
    fn add(&self, store: &Arc<dyn Store>) {
        self.0.lock().unwrap().push(Arc::clone(store));
    }

    /// Closes them, even if they are closed already.
    pub(super) async fn close(&self) {
        let stores = std::mem::take(&mut *self.0.lock().unwrap());
        for store in stores {
            store.close().await;
        }
    }
}

/// The result of accepting a message.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) id: MessageId,
    pub(super) state: MessageState,
    pub(super) claimed: Option<Claimed>,
    pub(super) wake_at: Option<UnixMillis>,
}

impl World {
    pub(super) async fn new(database: Arc<dyn Database>) -> Self {
        let store = database.open().await;
        assert!(store.add_app(app(appid())).await.unwrap());
        let opened = Opened::default();
        opened.add(&store);
        let (ids, epochs, heard) = (IdMaker::new(), Mutex::default(), Heard::by(&store));
        let world = Self { database, store, opened, ids, epochs, heard };
        world.acquire_all(&Lane::all().collect::<Vec<_>>(), START).await;
        world
    }

    /// The handle to all stores that are opened, also later.
    pub(super) fn opened(&self) -> Opened {
        self.opened.clone()
    }

    /// Opens the database again, after the store was closed.
    pub(super) async fn reopen(&mut self) {
        self.store = self.database.open().await;
        self.opened.add(&self.store);
        self.heard = Heard::by(&self.store);
    }

    /// This store and a second one on the same database.
    pub(super) async fn two_stores(&self) -> [Arc<dyn Store>; 2] {
        let second = self.database.open_beside(&self.store).await;
        self.opened.add(&second);
        [Arc::clone(&self.store), second]
    }

    /// The signals since the last call.
    pub(super) fn heard(&self) -> Vec<Heeded> {
        self.heard.take()
    }

    /// Waits until the signals since the last call are enough; see [`Heard::wait_until`].
    pub(super) async fn hear_until(&self, what: &str, is_enough: impl Fn(&[Heeded]) -> bool) {
        self.heard.wait_until(what, is_enough).await;
    }

    /// How far webhook events were heard of.
    pub(super) fn last_told(&self) -> FeedCursor {
        self.heard.last_told()
    }

    /// Acquires a lane.
    pub(super) async fn acquire(&self, lane: Lane, now: UnixMillis) -> Acquired {
        self.acquire_by(&self.store, lane, now).await
    }

    /// Acquires lanes at once, because a store may group concurrent calls.
    pub(super) async fn acquire_all(&self, lanes: &[Lane], now: UnixMillis) -> Vec<Acquired> {
        join_all(lanes.iter().map(|&lane| self.acquire(lane, now))).await
    }

    /// Acquires a lane through another store on the same database.
    pub(super) async fn acquire_by(&self, store: &Arc<dyn Store>, lane: Lane, now: UnixMillis) -> Acquired {
        let acquired = store.acquire(lane, "world", now).await.unwrap().expect("no other node is there");
        self.epochs.lock().unwrap().insert(lane, acquired.epoch);
        acquired
    }

    /// The epoch under which the world owns a lane.
    pub(super) fn epoch(&self, lane: Lane) -> Epoch {
        self.epochs.lock().unwrap()[&lane]
    }

    /// A subscribe message for now, with policy `require` and room in dispatch.
    pub(super) fn message(&self, openid: &OpenId, now: UnixMillis) -> NewMessage {
        NewMessage {
            id: self.ids.message(Lane::of(&appid(), openid), now),
            appid: appid(),
            openid: openid.clone(),
            template: template("sub"),
            channel: Channel::Subscribe,
            body: Arc::from(&br#"{"touser":"o"}"#[..]),
            send_at: now,
            deadline: None,
            policy: PermitPolicy::Require,
            on_unknown: OnUnknown::Hold,
            reserve_now: false,
            reference: None,
            collapse_key: None,
            idempotency: None,
            own_permit: None,
            accepted_at: now,
            accepted_by: None,
            origin: Origin::default(),
            start: Some(self.epoch(Lane::of(&appid(), openid))),
        }
    }

    /// The same for a template message.
    pub(super) fn legacy(&self, openid: &OpenId, now: UnixMillis) -> NewMessage {
        NewMessage { template: template("legacy"), channel: Channel::Legacy, ..self.message(openid, now) }
    }

    pub(super) fn subscription(&self, openid: &OpenId, count: u32) -> NewPermit {
        NewPermit {
            id: self.ids.permit(Lane::of(&appid(), openid), START),
            appid: appid(),
            openid: openid.clone(),
            kind: PermitKind::SubscribeOnce,
            code: None,
            template: Some(template("sub")),
            count,
            expires_at: None,
            reported_by: None,
            claim: None,
        }
    }

    pub(super) fn form(&self, openid: &OpenId, code: &str, granted_at: UnixMillis) -> NewPermit {
        NewPermit {
            kind: PermitKind::Form,
            code: Some(code.into()),
            template: None,
            expires_at: Some(granted_at.plus(FORM_LIFETIME)),
            ..self.subscription(openid, 1)
        }
    }

    pub(super) async fn grant(&self, permit: NewPermit, now: UnixMillis) -> Granted {
        self.store.grant(vec![permit], now).await.unwrap().remove(0)
    }

    /// Grants the user so many units for the subscribe template.
    pub(super) async fn subscribe(&self, openid: &OpenId, count: u32) -> Granted {
        self.grant(self.subscription(openid, count), START).await
    }

    /// Accepts a message, which must be new.
    pub(super) async fn begin(&self, message: NewMessage) -> Begun {
        let id = message.id;
        match self.store.accept(vec![message]).await.unwrap().remove(0) {
            Accepted::New { state, claimed, wake_at, .. } => {
                assert_eq!(state == MessageState::Sending, claimed.is_some());
                Begun { id, state, claimed: claimed.map(|claimed| *claimed), wake_at }
            }
            other => panic!("not taken for new: {other:?}"),
        }
    }

    /// Accepts a message that is sent at once.
    pub(super) async fn send(&self, message: NewMessage) -> Claimed {
        let begun = self.begin(message).await;
        begun.claimed.unwrap_or_else(|| panic!("{} is {}", begun.id, begun.state))
    }

    /// The outcome of an attempt, with the effects that the ledger decides.
    pub(super) fn outcome(claimed: &Claimed, outcome: Outcome, now: UnixMillis) -> Settlement {
        let effects = settle(&claimed.in_flight(), &outcome, now, 1.0);
        claimed.settlement(now, outcome, effects, true)
    }

    pub(super) fn answer(claimed: &Claimed, errcode: i32, now: UnixMillis) -> Settlement {
        let errmsg = if errcode == 0 { "ok" } else { "refused" };
        let outcome = Outcome::answered(Errcode(errcode), errmsg);
        Self::outcome(claimed, outcome, now)
    }

    pub(super) fn silence(claimed: &Claimed, now: UnixMillis) -> Settlement {
        Self::outcome(claimed, Outcome::Unanswered { why: "reset".into() }, now)
    }

    pub(super) async fn settle(&self, settlement: Settlement) -> Settled {
        self.store.settle(vec![settlement]).await.unwrap().remove(0)
    }

    /// WeChat answers with this errcode; dispatch has room for the user's next message.
    pub(super) async fn answered(&self, claimed: &Claimed, errcode: i32, now: UnixMillis) -> Settled {
        self.settle(Self::answer(claimed, errcode, now)).await
    }

    /// Claims what is due in the user's lane.
    pub(super) async fn claim(&self, openid: &OpenId, now: UnixMillis) -> ClaimBatch {
        self.claim_lane(Lane::of(&appid(), openid), now, 100).await
    }

    /// Claims what is due in a lane.
    pub(super) async fn claim_lane(&self, lane: Lane, now: UnixMillis, limit: u32) -> ClaimBatch {
        self.store.claim(lane, self.epoch(lane), now, limit).await.unwrap().expect("the world has every lane")
    }

    pub(super) async fn detail(&self, id: MessageId) -> MessageDetail {
        self.store.message(id).await.unwrap().unwrap()
    }

    pub(super) async fn state(&self, id: MessageId) -> MessageState {
        self.detail(id).await.message.state
    }

    /// A user's messages, newest first, as far as one page goes.
    pub(super) async fn messages_of(&self, openid: &OpenId) -> Vec<MessageView> {
        let filter = MessageFilter {
            apps: Some(vec![appid()]),
            openid: Some(openid.clone()),
            limit: 1_000,
            ..MessageFilter::default()
        };
        self.store.messages(filter).await.unwrap().items
    }

    /// The units of the user's permits in sum; each permit must balance.
    pub(super) async fn totals(&self, openid: &OpenId, now: UnixMillis) -> Totals {
        let mut sum = Totals::default();
        for view in self.store.permits(appid(), openid.clone(), now).await.unwrap() {
            assert!(view.totals.balance(), "{view:?}");
            sum += view.totals;
        }
        sum
    }
}
