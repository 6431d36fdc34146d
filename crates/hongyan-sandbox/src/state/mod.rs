//! The platform's memory: plain data and plain rules. No I/O, and no clock of its own: what depends on the time
//! is told it. Everything lies behind one lock, so each call is all or nothing.

mod aging;
pub(crate) mod callbacks;
pub(crate) mod codes;
pub(crate) mod events;
pub(crate) mod forms;
pub(crate) mod inbox;
pub(crate) mod pages;
pub(crate) mod pushes;
pub(crate) mod quotas;
pub(crate) mod requests;
pub(crate) mod rids;
pub(crate) mod seed;
pub(crate) mod subscriptions;
pub(crate) mod templates;
pub(crate) mod tokens;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, OpenId, TemplateId};
use serde::{Deserialize, Serialize};

use self::callbacks::{Callback, Damage, Message};
use self::codes::LoginCodes;
use self::forms::Forms;
use self::inbox::Inbox;
use self::pages::Pages;
use self::pushes::Pushes;
use self::quotas::Quotas;
use self::requests::RequestLog;
use self::rids::Rids;
use self::seed::{Seed, starting_templates};
use self::subscriptions::Subscription;
use self::templates::{Template, new_template_id};
use self::tokens::Tokens;
use crate::chaos::Chaos;
use crate::{magic, random};

/// So many magic ids are remembered; then their first time begins anew.
const MAX_MAGIC_SEEN: usize = 100_000;

/// Everything that the platform knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) apps: BTreeMap<AppId, App>,
    pub(crate) tokens: Tokens,
    pub(crate) codes: LoginCodes,
    pub(crate) forms: Forms,
    pub(crate) inbox: Inbox,
    #[serde(default)]
    pub(crate) rids: Rids,
    /// Not saved: it is about this run.
    #[serde(skip)]
    pub(crate) requests: RequestLog,
    /// Not saved: faults are for the one who asked for them.
    #[serde(skip)]
    pub(crate) chaos: Chaos,
    /// Users to whom a subscribe message is on its way at this moment, by openid.
    #[serde(skip)]
    pub(crate) flights: HashSet<String>,
    /// Not saved: what has not been pushed by the end is lost, as with any sender that stops.
    #[serde(skip)]
    pub(crate) pushes: Pushes,
    /// Magic ids, and form ids of magic users, whose first time is over.
    #[serde(skip)]
    magic_seen: HashSet<String>,
}

/// A mini program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) secret: String,
    pub(crate) users: HashMap<OpenId, User>,
    /// At most a few dozen, in the order of adding.
    pub(crate) templates: Vec<Arc<Template>>,
    pub(crate) quotas: Quotas,
    /// Where events go, if anywhere.
    #[serde(default)]
    pub(crate) callback: Option<Callback>,
    /// Which pages it has, if that is known.
    #[serde(default)]
    pub(crate) pages: Pages,
}

/// A user of an app.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct User {
    /// The one that is valid now; set by the last login.
    pub(crate) session_key: Option<String>,
    pub(crate) subscriptions: HashMap<TemplateId, Subscription>,
    /// The user switched all notifications of the app off: WeChat takes messages, and they do not arrive.
    #[serde(default)]
    pub(crate) is_blocking: bool,
}

impl App {
    pub(crate) fn template(&self, id: &str) -> Option<&Arc<Template>> {
        self.templates.iter().find(|t| t.id.as_str() == id)
    }
}

impl State {
    /// A fresh sandbox.
    pub(crate) fn fresh() -> Self {
        let mut state = Self::default();
        state.plant_seed();
        state
    }

    /// Becomes another state, except that tasks that bring pushes find nothing more to do, and that ids of cards go on
    /// counting: who waits for the next one is not confused.
    pub(crate) fn become_loaded(&mut self, mut loaded: Self) {
        loaded.inbox.continue_after(self.inbox.last_id());
        let mut pushes = std::mem::take(&mut self.pushes);
        pushes.clear();
        *self = Self { pushes, ..loaded };
    }

    /// As new, except that the ids of cards go on counting: a page that waits for the next card is not confused.
    pub(crate) fn reset(&mut self) {
        let mut inbox = std::mem::take(&mut self.inbox);
        inbox.clear();
        let mut pushes = std::mem::take(&mut self.pushes);
        pushes.clear();
        *self = Self { inbox, pushes, ..Self::fresh() };
    }

    /// Whether this magic id is met for the first time. Asking makes it known.
    pub(crate) fn is_first_time(&mut self, id: &str) -> bool {
        if self.magic_seen.len() >= MAX_MAGIC_SEEN {
            self.magic_seen.clear();
        }
        self.magic_seen.insert(id.to_owned())
    }

    /// Queues an event if the app has a callback.
    pub(crate) fn push(
        &mut self,
        appid: &AppId,
        openid: &OpenId,
        make: impl FnOnce() -> Message,
        now: UnixMillis,
    ) {
        if self.apps.get(appid).is_some_and(|app| app.callback.is_some()) {
            self.push_damaged(appid, Some(openid.clone()), make(), Vec::new(), now);
        }
    }

    /// Queues a message with something wrong about it; gives its id, and whether there was room.
    pub(crate) fn push_damaged(
        &mut self,
        appid: &AppId,
        openid: Option<OpenId>,
        message: Message,
        damage: Vec<Damage>,
        now: UnixMillis,
    ) -> (u64, bool) {
        let format = self.apps.get(appid).and_then(|app| app.callback.as_ref()).map(|c| c.format);
        let body = match &message {
            Message::Text(text) => text.as_str().into(),
            other => other.tree(format.unwrap_or_default()).map_or(serde_json::Value::Null, Into::into),
        };
        self.pushes.add(appid, openid, message, damage, body, now)
    }

    fn plant_seed(&mut self) {
        let seed = Seed::constant();
        let app = App {
            secret: seed.app_secret.clone(),
            users: HashMap::from([(seed.open_id(), User::default())]),
            templates: seed.templates().into_iter().map(Arc::new).collect(),
            quotas: Quotas::default(),
            callback: None,
            pages: Pages::default(),
        };
        self.apps.insert(seed.app_id(), app);
    }

    /// A further app with the usual templates, under ids of its own.
    pub(crate) fn add_app(&mut self, appid: AppId, secret: String) -> &mut App {
        let templates = starting_templates(std::array::from_fn(|_| new_template_id()));
        self.apps.entry(appid).or_insert_with(|| App {
            secret,
            users: HashMap::new(),
            templates: templates.into_iter().map(Arc::new).collect(),
            quotas: Quotas::default(),
            callback: None,
            pages: Pages::default(),
        })
    }
}

impl App {
    /// The user of that openid. A magic one is there as soon as it is named.
    pub(crate) fn user(&mut self, openid: &str) -> Option<(OpenId, &mut User)> {
        if magic::is_user(openid) && !self.users.contains_key(openid) {
            self.users.insert(openid.parse().ok()?, User::default());
        }
        let openid = self.users.get_key_value(openid)?.0.clone();
        let user = self.users.get_mut(&openid)?;
        Some((openid, user))
    }

    /// A new user, under a new openid.
    pub(crate) fn add_user(&mut self) -> OpenId {
        let openid = OpenId::try_from(format!("o{}", random::alphanumeric(27)))
            .expect("28 letters and digits are an openid");
        self.users.insert(openid.clone(), User::default());
        openid
    }
}

/// Days by Beijing's calendar (UTC+8, no daylight saving): quotas begin anew at midnight there.
pub(crate) fn beijing_day(now: UnixMillis) -> i64 {
    const OFFSET_SECONDS: i64 = 8 * 3600;
    const DAY_SECONDS: i64 = 86_400;
    (now.as_seconds() + OFFSET_SECONDS).div_euclid(DAY_SECONDS)
}

/// Year and month by the same calendar: the counters may be cleared so often a month.
pub(crate) fn beijing_month(now: UnixMillis) -> (i16, i8) {
    const OFFSET: jiff::tz::Offset = jiff::tz::Offset::constant(8);
    // Out of range is a time that no clock here can be set to.
    let moment = jiff::Timestamp::from_second(now.as_seconds()).unwrap_or_default();
    let date = OFFSET.to_datetime(moment).date();
    (date.year(), date.month())
}
