//! The verbs, each written once: its steps, and what it decides, over [`crate::rows`].
//!
//! The rules are `hongyan-ledger`'s, which knows no rows. A verb reads the rows that a rule asks about, lets the rule
//! decide, and writes the decision. No verb knows which database it works on. A verb of [`crate::Store`] that is a single
//! write without a decision has no function here.
//!
//! | module | carries out |
//! | --- | --- |
//! | [`messages`] | `accept`, `claim`, `settle`, `cancel`, `resolve`; what an event does to a message |
//! | [`permits`] | `grant` |
//! | [`acceptances`] | pairing the two reports of one acceptance |
//! | [`apps`] | `add_app`, `change_app`, `remove_app`, `pause`, `resume`, `probe` |
//! | [`templates`] | `put_templates` |
//! | [`events`] | `receive_event`, `apply_event`, `callback_verified` |
//! | [`credentials`] | `put_token`, `put_gateway_token`, `revoke_key`, `put_login`, `end_sessions`, `forget_users` |
//! | [`people`] | `add_person`, `change_person`, `remove_person`, `log_in`, `login_failed`, links that log in |
//! | [`sealed`] | `reseal` |
//! | [`lanes`] | `acquire`, `release` |
//! | [`prune`] | `prune` |
//! | [`tallies`] | counting what happens to messages; old counts |
//! | [`outbox`] | writing webhook events |
//! | [`webhooks`] | `add_webhook`, `change_webhook`, `remove_webhook`, `settle_deliveries`, `replay`, `test_webhook`, `tell_expiring` |

pub(crate) mod acceptances;
pub(crate) mod apps;
pub(crate) mod credentials;
pub(crate) mod events;
pub(crate) mod lanes;
pub(crate) mod messages;
pub(crate) mod outbox;
pub(crate) mod people;
pub(crate) mod permits;
pub(crate) mod prune;
pub(crate) mod sealed;
pub(crate) mod tallies;
pub(crate) mod templates;
pub(crate) mod webhooks;
