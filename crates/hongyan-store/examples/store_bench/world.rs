//! A store with one app and many users, each with a permit, and the way of one message through it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hongyan_clock::Clock;
use hongyan_ledger::ids::IdMaker;
use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::settle::{Outcome, settle};
use hongyan_ledger::webhook::{Filter, Health};
use hongyan_ledger::{Channel, Lane, OnUnknown, PermitKind, PermitPolicy};
use hongyan_store::Store;
use hongyan_store::sqlite::SqliteStore;
use hongyan_store::types::{
    Accepted, AppRecord, Epoch, Idempotency, NewMessage, NewPermit, Origin, Reach, WebhookRecord,
};
use hongyan_wechat::{AppId, Errcode, OpenId, TemplateId};

use crate::Result;

/// About as long as WeChat's request body.
pub(crate) const BODY: &[u8] = &[b'x'; 300];

/// How many units each user's permit has: enough for every pass.
const UNITS: u32 = 1000;

/// How many permits are granted in one call.
const BATCH: usize = 1000;

pub(crate) struct World {
    pub(crate) store: SqliteStore,
    appid: AppId,
    template: TemplateId,
    users: Vec<OpenId>,
    ids: IdMaker,
    clock: Clock,
    /// The epochs by lane; this process owns all lanes.
    epochs: Vec<Epoch>,
}

impl World {
    /// An empty store gets an app and users, each with a permit.
    pub(crate) async fn fill(store: SqliteStore, users: usize) -> Result<Self> {
        let world = Self::again(store, users).await?;
        world.store.add_app(world.app()).await?;
        for users in world.users.chunks(BATCH) {
            let permits = users.iter().map(|user| world.subscription(user)).collect();
            world.store.grant(permits, world.clock.now()).await?;
        }
        Ok(world)
    }

    /// The same users in a store that was filled before.
    pub(crate) async fn again(store: SqliteStore, users: usize) -> Result<Self> {
        let clock = Clock::system();
        let mut epochs = Vec::new();
        for lane in Lane::all() {
            epochs.push(store.acquire(lane, "bench", clock.now()).await?.ok_or("taken")?.epoch);
        }
        Ok(Self {
            epochs,
            store,
            appid: "wx0123456789abcdef".parse()?,
            template: "OhMsbwS4XUnb4qOj1F8DWG8qAmIPKm0M-HsOmHqMMFU".parse()?,
            users: (0..users).map(|number| openid(number).parse()).collect::<std::result::Result<_, _>>()?,
            ids: IdMaker::new(),
            clock,
        })
    }

    /// Adds a webhook that wants every event.
    pub(crate) async fn add_webhook(&self) -> Result<()> {
        let now = self.clock.now();
        let webhook = WebhookRecord {
            id: self.ids.webhook(now),
            url: "https://example.com/".into(),
            description: String::new(),
            filter: Filter::default(),
            secret: vec![0; 80],
            previous_secret: None,
            disabled: None,
            health: Health::default(),
            last: None,
            created_at: now,
            updated_at: now,
        };
        self.store.add_webhook(webhook).await?;
        Ok(())
    }

    fn app(&self) -> AppRecord {
        AppRecord::new(self.appid.clone(), vec![0; 64], [0; 32], self.clock.now())
    }

    fn subscription(&self, user: &OpenId) -> NewPermit {
        NewPermit {
            id: self.ids.permit(Lane::of(&self.appid, user), self.clock.now()),
            appid: self.appid.clone(),
            openid: user.clone(),
            kind: PermitKind::SubscribeOnce,
            code: None,
            template: Some(self.template.clone()),
            count: UNITS,
            expires_at: None,
            reported_by: None,
            claim: None,
        }
    }

    /// Takes message `number` from acceptance to `sent`. Its user differs from the users of the messages before it.
    pub(crate) async fn send(self: Arc<Self>, number: usize) -> Result<()> {
        // A large prime, so that consecutive messages go to users that are far apart in the order of granting.
        self.send_to(&self.users[number * 7919 % self.users.len()]).await
    }

    async fn send_to(&self, user: &OpenId) -> Result<()> {
        let message = self.message(user);
        let answer = self.store.accept(vec![message]).await?.pop();
        let Some(Accepted::New { claimed: Some(claimed), .. }) = answer else {
            return Err(format!("not sent at once: {answer:?}").into());
        };
        claimed.permit.as_ref().ok_or("sent without a permit")?;
        let now = self.clock.now();
        let outcome = Outcome::answered(Errcode(0), "ok");
        let effects = settle(&claimed.in_flight(), &outcome, now, 0.5);
        let settlement = claimed.settlement(now, outcome, effects, true);
        self.store.settle(vec![settlement]).await?;
        Ok(())
    }

    fn message(&self, user: &OpenId) -> NewMessage {
        let now = self.clock.now();
        let id = self.ids.message(Lane::of(&self.appid, user), now);
        // As good as a hash here: each key is new, and the keys come in no order.
        let key_hash = scrambled(id.as_bytes().iter()).to_be_bytes();
        NewMessage {
            id,
            appid: self.appid.clone(),
            openid: user.clone(),
            template: self.template.clone(),
            channel: Channel::Subscribe,
            body: BODY.into(),
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
            // As long as the id that the gateway makes.
            origin: Origin {
                request_id: Some(format!("{:032x}", scrambled(id.as_bytes().iter())).into()),
                ..Origin::default()
            },
            start: Some(self.epochs[Lane::of(&self.appid, user).index()]),
        }
    }

    /// Gives a user permits that expired yesterday.
    pub(crate) async fn burden(&self, user: usize, permits: usize) -> Result<()> {
        let now = self.clock.now();
        let day = Duration::from_secs(24 * 3600);
        let expired = (0..permits).map(|number| NewPermit {
            kind: PermitKind::Form,
            code: Some(format!("form-{number:027}")),
            template: None,
            count: 1,
            expires_at: Some(now.minus(day)),
            ..self.subscription(&self.users[user])
        });
        self.store.grant(expired.collect(), now.minus(day + FORM_LIFETIME)).await?;
        Ok(())
    }

    /// The time that one message of this user takes on an idle store. It is the least of many measurements: anything above
    /// that is noise of the machine.
    pub(crate) async fn alone(&self, user: usize) -> Result<Duration> {
        let mut least = Duration::MAX;
        for _ in 0..200 {
            let begin = Instant::now();
            self.send_to(&self.users[user]).await?;
            least = least.min(begin.elapsed());
        }
        Ok(least)
    }

    pub(crate) async fn reach(&self) -> Result<Reach> {
        let template = Some(self.template.clone());
        Ok(self.store.reach(self.appid.clone(), template, None, self.clock.now()).await?)
    }
}

/// An openid of the form that WeChat makes: 28 characters in no order.
fn openid(number: usize) -> String {
    let first = scrambled(number.to_be_bytes().iter());
    let second = scrambled(first.to_be_bytes().iter());
    format!("o{first:016x}{:011x}", second >> 20)
}

/// Mixes bytes into a number without any order (FNV-1a, then the finish of `SplitMix64`).
fn scrambled<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
