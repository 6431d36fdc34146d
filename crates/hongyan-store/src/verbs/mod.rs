//! The verbs, each written once: its steps, and what it decides, over [`crate::rows`].
//!
//! The rules are `hongyan-ledger`'s, which knows no rows. A verb reads the rows that a rule asks about, lets it decide, and
//! writes what it decided. No verb knows which database it works on. A verb of [`crate::Store`] that is one write and decides
//! nothing has no function here: it is that write.
//!
//! | module | carries out |
//! | --- | --- |
//! | [`messages`] | `accept`, `claim`, `settle`, `cancel`, `resolve`; what an event does to a message |
//! | [`permits`] | `grant` |
//! | [`acceptances`] | which of two sides' reports of one acceptance is granted |
//! | [`apps`] | `add_app`, `change_app`, `remove_app`, `pause`, `resume`, `probe` |
//! | [`templates`] | `put_templates` |
//! | [`events`] | `receive_event`, `apply_event`, `callback_verified` |
//! | [`credentials`] | `put_token`, `put_gateway_token`, `revoke_key`, `put_login`, `end_sessions`, `forget_users` |
//! | [`sealed`] | `reseal` |
//! | [`lanes`] | `acquire`, `release` |
//! | [`prune`] | `prune` |
//! | [`outbox`] | what is told to webhooks |
//! | [`webhooks`] | `add_webhook`, `change_webhook`, `remove_webhook`, `settle_deliveries`, `replay`, `test_webhook`, `tell_expiring` |

pub(crate) mod acceptances;
pub(crate) mod apps;
pub(crate) mod credentials;
pub(crate) mod events;
pub(crate) mod lanes;
pub(crate) mod messages;
pub(crate) mod outbox;
pub(crate) mod permits;
pub(crate) mod prune;
pub(crate) mod sealed;
pub(crate) mod templates;
pub(crate) mod webhooks;
