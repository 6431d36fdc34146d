//! The state of the platform: plain data and plain rules. No I/O and no clock of its own: callers pass the time. One lock
//! protects the whole state, so each call is all or nothing.

mod aging;
mod beijing;
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
pub(crate) mod sent;
pub(crate) mod subscriptions;
pub(crate) mod templates;
pub(crate) mod tokens;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
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
use self::requests::{LoggedRequest, RequestLog};
use self::rids::Rids;
use self::seed::{Seed, starting_templates};
use self::subscriptions::Subscription;
use self::templates::{Template, new_template_id};
use self::tokens::Tokens;
use crate::chaos::Chaos;
use crate::limits::Limits;
use crate::{magic, random};

/// The whole state of the platform.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) apps: BTreeMap<AppId, App>,
    pub(crate) tokens: Tokens,
    pub(crate) codes: LoginCodes,
    pub(crate) forms: Forms,
    pub(crate) inbox: Inbox,
    #[serde(default)]
    pub(crate) rids: Rids,
    /// Not saved: the log belongs to this run.
    #[serde(skip)]
    pub(crate) requests: RequestLog,
    /// Not saved: faults belong to the test that set them.
    #[serde(skip)]
    pub(crate) chaos: Chaos,
    /// The users to whom a subscribe message is being sent right now, by openid.
    #[serde(skip)]
    pub(crate) flights: HashSet<String>,
    /// Not saved: pushes that are still waiting at the end are lost, as with any sender that stops.
    #[serde(skip)]
    pub(crate) pushes: Pushes,
    /// Magic ids, and form ids of magic users, that were seen before.
    #[serde(skip)]
    magic_seen: Seen,
    /// The limits on how much is kept. Not saved: the limits are given at each start.
    #[serde(skip)]
    pub(crate) limits: Limits,
}

/// The texts seen before, in order. Only hashes are kept, because the texts come from outside.
#[derive(Debug, Default)]
struct Seen {
    hashes: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Seen {
    /// Whether a text is seen for the first time. At most `most` texts are remembered, the newest.
    fn is_first_time(&mut self, text: &str, most: usize) -> bool {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let hash = hasher.finish();
        let is_new = self.hashes.insert(hash);
        if is_new {
            self.order.push_back(hash);
        }
        while self.order.len() > most
            && let Some(oldest) = self.order.pop_front()
        {
            self.hashes.remove(&oldest);
        }
        is_new
    }
}

/// A mini program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) secret: String,
    pub(crate) users: HashMap<OpenId, User>,
    /// At most a few dozen templates, in the order of adding.
    pub(crate) templates: Vec<Arc<Template>>,
    pub(crate) quotas: Quotas,
    /// The callback, if it is set.
    #[serde(default)]
    pub(crate) callback: Option<Callback>,
    /// The pages of the app, if they are set.
    #[serde(default)]
    pub(crate) pages: Pages,
    /// How many users were made.
    #[serde(default)]
    users_made: u64,
}

/// A user of an app.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct User {
    /// The current session key, from the last login.
    pub(crate) session_key: Option<String>,
    pub(crate) subscriptions: HashMap<TemplateId, Subscription>,
    /// The user turned all notifications of the app off: WeChat accepts messages and does not deliver them.
    #[serde(default)]
    pub(crate) is_blocking: bool,
    /// The number of the user in the app, by order; 0 for the initial user.
    #[serde(default)]
    made: u64,
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

    /// Replaces the state, with two exceptions: running push tasks find nothing more to do, and the ids of cards
    /// continue, so that a reader who waits for the next card is not confused.
    pub(crate) fn become_loaded(&mut self, mut loaded: Self) {
        loaded.inbox.continue_after(self.inbox.last_id());
        let mut pushes = std::mem::take(&mut self.pushes);
        pushes.clear();
        *self = Self { pushes, limits: self.limits, ..loaded };
    }

    /// Resets the state. The ids of cards continue, so that a page that waits for the next card is not confused.
    pub(crate) fn reset(&mut self) {
        let mut inbox = std::mem::take(&mut self.inbox);
        inbox.clear();
        let mut pushes = std::mem::take(&mut self.pushes);
        pushes.clear();
        *self = Self { inbox, pushes, limits: self.limits, ..Self::fresh() };
    }

    /// Whether this magic id is seen for the first time. The call makes the id known.
    pub(crate) fn is_first_time(&mut self, id: &str) -> bool {
        self.magic_seen.is_first_time(id, self.limits.magic)
    }

    /// Logs a request to WeChat's paths.
    pub(crate) fn log(&mut self, request: LoggedRequest) {
        self.requests.add(request, self.limits.requests);
    }

    /// The current number of each limited thing; for limits per app, the largest number of any app.
    pub(crate) fn kept(&self) -> [(&'static str, usize); 12] {
        [
            ("apps", self.apps.len()),
            ("users", self.apps.values().map(|app| app.users.len()).max().unwrap_or(0)),
            ("tokens", self.tokens.most_of_an_app()),
            ("codes", self.codes.len()),
            ("forms", self.forms.len()),
            ("cards", self.inbox.len()),
            ("rids", self.rids.len()),
            ("requests", self.requests.len()),
            ("pushes", self.pushes.logged_count()),
            ("waiting", self.pushes.longest_queue()),
            ("magic", self.magic_seen.order.len()),
            ("rules", self.chaos.len()),
        ]
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

    /// Queues a message with defects; returns its id, and whether there was room.
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
        self.pushes.add(appid, openid, message, damage, body, now, &self.limits)
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
            users_made: 0,
        };
        self.apps.insert(seed.app_id(), app);
    }

    /// Adds an app with the usual templates, under ids of its own.
    pub(crate) fn add_app(&mut self, appid: AppId, secret: String) -> &mut App {
        let templates = starting_templates(std::array::from_fn(|_| new_template_id()));
        self.apps.entry(appid).or_insert_with(|| App {
            secret,
            users: HashMap::new(),
            templates: templates.into_iter().map(Arc::new).collect(),
            quotas: Quotas::default(),
            callback: None,
            pages: Pages::default(),
            users_made: 0,
        })
    }
}

impl App {
    /// The user with this openid. A magic user is made when first named; the app has at most `most` users.
    pub(crate) fn user(&mut self, openid: &str, most: usize) -> Option<(OpenId, &mut User)> {
        if magic::is_user(openid) && !self.users.contains_key(openid) {
            self.insert_user(openid.parse().ok()?, most);
        }
        let openid = self.users.get_key_value(openid)?.0.clone();
        let user = self.users.get_mut(&openid)?;
        Some((openid, user))
    }

    /// Makes a user with a new openid; the app has at most `most` users.
    pub(crate) fn add_user(&mut self, most: usize) -> OpenId {
        let openid = OpenId::try_from(format!("o{}", random::alphanumeric(27)))
            .expect("28 letters and digits are an openid");
        self.insert_user(openid.clone(), most);
        openid
    }

    fn insert_user(&mut self, openid: OpenId, most: usize) {
        if self.users.len() >= most {
            self.forget_users(most);
        }
        self.users_made += 1;
        self.users.insert(openid, User { made: self.users_made, ..User::default() });
    }

    /// Forgets the oldest tenth of the limit at once, because finding the oldest takes a walk over all.
    fn forget_users(&mut self, most: usize) {
        let seed = Seed::constant().open_id();
        let others = self.users.iter().filter(|(openid, _)| **openid != seed);
        let mut by_age: Vec<_> = others.map(|(openid, user)| (user.made, openid.clone())).collect();
        by_age.sort_unstable_by_key(|(made, _)| *made);
        let too_many = (self.users.len() + 1).saturating_sub(most).max(most / 10);
        for (_, openid) in by_age.into_iter().take(too_many) {
            self.users.remove(&openid);
        }
    }

    /// Removes templates, and what users allowed for them.
    pub(crate) fn remove_templates(&mut self, goes: impl Fn(&Template) -> bool) -> bool {
        let (gone, kept) = std::mem::take(&mut self.templates).into_iter().partition(|t| goes(t));
        self.templates = kept;
        let gone: Vec<Arc<Template>> = gone;
        for template in &gone {
            for user in self.users.values_mut() {
                user.subscriptions.remove(&template.id);
            }
        }
        !gone.is_empty()
    }
}
