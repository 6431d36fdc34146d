//! The platform's memory: plain data and plain rules. No I/O, and no clock of its own: what depends on the time
//! is told it. Everything lies behind one lock, so each call is all or nothing.

mod aging;
pub(crate) mod codes;
pub(crate) mod forms;
pub(crate) mod inbox;
pub(crate) mod quotas;
pub(crate) mod requests;
pub(crate) mod seed;
pub(crate) mod subscriptions;
pub(crate) mod templates;
pub(crate) mod tokens;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, OpenId, TemplateId};
use serde::{Deserialize, Serialize};

use self::codes::LoginCodes;
use self::forms::Forms;
use self::inbox::Inbox;
use self::quotas::Quotas;
use self::requests::RequestLog;
use self::seed::{Seed, starting_templates};
use self::subscriptions::Subscription;
use self::templates::{Template, new_template_id};
use self::tokens::Tokens;
use crate::chaos::Chaos;
use crate::random;

/// Everything that the platform knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) apps: BTreeMap<AppId, App>,
    pub(crate) tokens: Tokens,
    pub(crate) codes: LoginCodes,
    pub(crate) forms: Forms,
    pub(crate) inbox: Inbox,
    /// Not saved: it is about this run.
    #[serde(skip)]
    pub(crate) requests: RequestLog,
    /// Not saved: faults are for the one who asked for them.
    #[serde(skip)]
    pub(crate) chaos: Chaos,
    /// Users to whom a subscribe message is on its way at this moment, by openid.
    #[serde(skip)]
    pub(crate) flights: HashSet<String>,
}

/// A mini program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) secret: String,
    pub(crate) users: HashMap<OpenId, User>,
    /// At most a few dozen, in the order of adding.
    pub(crate) templates: Vec<Arc<Template>>,
    pub(crate) quotas: Quotas,
}

/// A user of an app.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct User {
    /// The one that is valid now; set by the last login.
    pub(crate) session_key: Option<String>,
    pub(crate) subscriptions: HashMap<TemplateId, Subscription>,
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

    /// As new, except that the ids of cards go on counting: a page that waits for the next card is not confused.
    pub(crate) fn reset(&mut self) {
        let mut inbox = std::mem::take(&mut self.inbox);
        inbox.clear();
        *self = Self { inbox, ..Self::fresh() };
    }

    fn plant_seed(&mut self) {
        let seed = Seed::constant();
        let app = App {
            secret: seed.app_secret.clone(),
            users: HashMap::from([(seed.open_id(), User::default())]),
            templates: seed.templates().into_iter().map(Arc::new).collect(),
            quotas: Quotas::default(),
        };
        self.apps.insert(seed.app_id(), app);
    }

    /// A further app with the usual templates, under ids of its own.
    pub(crate) fn add_app(&mut self, appid: AppId, secret: String) -> &App {
        let templates = starting_templates(std::array::from_fn(|_| new_template_id()));
        self.apps.entry(appid).or_insert_with(|| App {
            secret,
            users: HashMap::new(),
            templates: templates.into_iter().map(Arc::new).collect(),
            quotas: Quotas::default(),
        })
    }
}

impl App {
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
