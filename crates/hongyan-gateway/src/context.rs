//! The parts that HTTP handlers use.

use std::sync::Arc;

use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::ids::IdMaker;
use hongyan_store::Store;
use hongyan_wechat::Client;
use tokio::sync::watch;

use crate::apps::Apps;
use crate::callbacks::refusals::Refusals;
use crate::callers::Callers;
use crate::config::Settings;
use crate::door::limits::Limits;
use crate::door::outgoing::Outgoing;
use crate::door::rates::Rates;
use crate::gateway_tokens::GatewayTokens;
use crate::health::Health;
use crate::intake::Intake;
use crate::keys::Keys;
use crate::lanes::Lanes;
use crate::people::{Sessions, UserHeader};
use crate::quotas::Quotas;
use crate::report::Report;
use crate::slots::Slots;
use crate::state::silence::Silence;
use crate::stop::Stop;
use crate::traces::Traces;
use crate::vault::Vault;
use crate::webhooks::AddressRules;

/// The parts that HTTP handlers use. Clones share everything.
#[derive(Clone)]
pub struct Context(pub(crate) Arc<Parts>);

/// The parts of a running gateway.
pub struct Parts {
    /// Every setting.
    pub settings: Settings,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Seals and opens stored secrets.
    pub vault: Arc<Vault>,
    /// The time.
    pub clock: Clock,
    /// Creates ids.
    pub ids: Arc<IdMaker>,
    /// Registered apps.
    pub apps: Apps,
    /// API keys.
    pub keys: Keys,
    /// The numbers of callers that send messages.
    pub callers: Callers,
    /// People at the console.
    pub sessions: Sessions,
    /// The header in which a reverse proxy names people, if it may.
    pub user_header: Option<UserHeader>,
    /// Tokens that the facade issues.
    pub gateway_tokens: GatewayTokens,
    /// How much of WeChat's daily quotas is used.
    pub(crate) quotas: Quotas,
    /// The client to WeChat.
    pub wechat: Client,
    /// Accepts messages.
    pub intake: Intake,
    /// Since when WeChat's pushes were received without a gap.
    pub silence: Silence,
    /// Pushes that were refused.
    pub(crate) push_refusals: Refusals,
    /// The lanes of this node.
    pub lanes: Lanes,
    /// Metrics and listeners.
    pub report: Report,
    /// The rules for the addresses of webhooks.
    pub webhook_rules: AddressRules,
    /// When the last complete walk of retention began.
    pub retained_at: watch::Receiver<UnixMillis>,
    /// The health of the gateway, cached for clients that ask often.
    pub health: Health,
    /// The slots of messages in flight.
    pub slots: Slots,
    /// Counts and logs limits.
    pub limits: Limits,
    /// The rates of requests that strangers may make.
    pub rates: Arc<Rates>,
    /// The places for calls to WeChat that are not sends.
    pub outgoing: Outgoing,
    /// Makes spans.
    pub traces: Traces,
    /// Whether the gateway is stopping.
    pub stop: Stop,
}

impl std::ops::Deref for Context {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
