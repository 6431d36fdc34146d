//! What the HTTP handlers work with.

use std::sync::Arc;

use hongyan_clock::{Clock, UnixMillis};
use hongyan_ledger::ids::IdMaker;
use hongyan_store::Store;
use hongyan_wechat::Client;
use tokio::sync::watch;

use crate::apps::Apps;
use crate::callbacks::refusals::Refusals;
use crate::config::Settings;
use crate::door::limits::Limits;
use crate::door::outgoing::Outgoing;
use crate::door::rates::Rates;
use crate::gateway_tokens::GatewayTokens;
use crate::health::Health;
use crate::intake::Intake;
use crate::keys::Keys;
use crate::lanes::Lanes;
use crate::report::Report;
use crate::slots::Slots;
use crate::state::silence::Silence;
use crate::stop::Stop;
use crate::vault::Vault;
use crate::webhooks::AddressRules;

/// What the HTTP handlers work with. Clones share everything.
#[derive(Clone)]
pub struct Context(pub(crate) Arc<Parts>);

/// The parts of a running gateway.
pub struct Parts {
    /// Every setting.
    pub settings: Settings,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Secrets at rest.
    pub vault: Arc<Vault>,
    /// The time.
    pub clock: Clock,
    /// Makes ids.
    pub ids: Arc<IdMaker>,
    /// Registered apps.
    pub apps: Apps,
    /// API keys.
    pub keys: Keys,
    /// Tokens that the facade hands out.
    pub gateway_tokens: GatewayTokens,
    /// The client to WeChat.
    pub wechat: Client,
    /// Accepts messages.
    pub intake: Intake,
    /// Since when nothing that WeChat pushed can have been missed.
    pub silence: Silence,
    /// Pushes that were refused.
    pub(crate) push_refusals: Refusals,
    /// Which lanes are this node's.
    pub lanes: Lanes,
    /// Metrics and listeners.
    pub report: Report,
    /// Where webhooks may be.
    pub webhook_rules: AddressRules,
    /// When everything that is old was looked for the last time, to the end.
    pub retained_at: watch::Receiver<UnixMillis>,
    /// How the gateway is, for who asks often.
    pub health: Health,
    /// The places of messages in flight.
    pub slots: Slots,
    /// Counts how often limits bite.
    pub limits: Limits,
    /// How often strangers may ask for what costs.
    pub rates: Arc<Rates>,
    /// The places of calls to WeChat that are no sends.
    pub outgoing: Outgoing,
    /// Whether the gateway is stopping.
    pub stop: Stop,
}

impl std::ops::Deref for Context {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
