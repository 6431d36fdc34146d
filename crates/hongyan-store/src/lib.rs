//! The ledger kept in a database.
//!
//! [`Store`] speaks in the domain's verbs: *accept* a message, *claim* what is due, *settle* an attempt, *grant* a permit.
//! What a verb writes, it writes in one durable transaction. The rules are `hongyan-ledger`'s: a verb reads the rows that a
//! rule asks about, lets the rule decide, and writes the decision.
//!
//! | module | knows |
//! | --- | --- |
//! | [`types`] | what goes in and comes out |
//! | `verbs` | what each verb does and decides, once for every backend |
//! | `rows` | what a verb asks of a database and writes into it: the port of a backend |
//! | [`signals`] | what a commit means for the rest of the process, said by the verb and told by the store |
//! | [`sqlite`] | the embedded backend: one writer thread with group commit, readers apart |
//! | `conformance` | what every backend must do, as one function that its tests call; behind the feature of that name |
//!
//! The store is not a cache and not a queue. The SQLite backend's writer keeps some facts in memory, and verbs decide by
//! them; each of these facts is in the file, too, and is undone with its transaction (`sqlite/memory.rs`).

use std::sync::Arc;

use async_trait::async_trait;
use hongyan_clock::UnixMillis;
use hongyan_ledger::explain::Because;
use hongyan_ledger::{EventId, KeyId, Lane, MessageId, PermitKind, TokenId, WebhookEventId, WebhookId};
use hongyan_wechat::{AppId, OpenId, TemplateId};
#[cfg(feature = "conformance")]
pub mod conformance;
mod people;
mod reads;
mod row_error;
mod rows;
pub mod signals;
pub mod sqlite;
pub mod types;
mod verbs;

pub use people::PeopleStore;
pub use reads::Reads;
use signals::Listener;
use types::{
    Accepted, Acquired, AppChange, AppChanged, AppRecord, Applied, ApplyOrder, AuditEnd, AuditEntry,
    AuditFilter, Backlog, CallbackStatus, CallerId, CallerNumber, Cancelled, ClaimBatch, Delivery,
    DeliveryReport, DeliveryView, Epoch, EventFilter, EventView, ExpiringOrder, ExpiringStep, Feed,
    FeedCursor, GatewayTokenRecord, Granted, KeyRecord, LeaseOrder, Leased, LoginRecord, MessageDetail,
    MessageFilter, MessageView, NewAudit, NewEvent, NewMessage, NewPermit, Node, OpenEvents, Page,
    PauseOrder, PermitView, ProbeWalk, Probing, PruneOrder, PruneWalk, Pruned, Reach, Received, ReplayOrder,
    Replayed, Reseal, ResolveOrder, Resolved, SealedKind, SealedOwner, SealedPage, SessionRecord, Settled,
    Settlement, TallyCounts, TallyFilter, TemplateChange, TemplateRecord, TokenLease, TokenRecord,
    WebhookChange, WebhookRecord, WebhookStanding, WebhookStart,
};

/// Why the store could not carry out a verb. Nothing of the verb's work is kept when it fails.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened as asked.
    #[error("cannot open the database {path}: {why}")]
    Open {
        /// The path of the database.
        path: String,
        /// What is wrong, and what to do about it.
        why: String,
    },
    /// The database was written by a newer version of the program. It was not touched.
    #[error(
        "the database {path} has schema version {found}, this program knows up to {known}: \
         it was written by a newer version; use that one, or restore a backup"
    )]
    Newer {
        /// The path of the database.
        path: String,
        /// The version of its schema.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The disk has no space for the database. The store goes on by itself when there is space.
    #[error("the disk is full: the database could not {verb}: {why}; make space on the disk")]
    Full {
        /// The verb.
        verb: &'static str,
        /// The database's error message.
        why: String,
    },
    /// The database refused a statement (I/O error, a file that cannot be written, …).
    #[error("the database failed while it was asked to {verb}: {why}")]
    Failed {
        /// The verb.
        verb: &'static str,
        /// The database's error message.
        why: String,
    },
    /// The file is damaged, or a row has a value that no version of the program writes.
    #[error(
        "the database is damaged, or was changed by hand: {0}. Keep the file; `hongyan check` looks at all of it, \
         and `hongyan restore FILE --force` puts a backup in its place"
    )]
    Corrupt(String),
    /// A query of people's took longer than its time limit.
    #[error("it took too long to {verb}; ask for less, or for a part")]
    TookTooLong {
        /// The verb.
        verb: &'static str,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// The result of a verb.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What the gateway asks of a database. What a verb writes, it writes in one transaction, and it is durable when the verb
/// returns. A verb may read before that in another transaction (`prune`, `tell_expiring`); then its write checks each row
/// again.
#[async_trait]
pub trait Store: PeopleStore + Reads + Send + Sync + 'static {
    // ---- nodes and lanes
    //
    // A node may keep facts about a lane in memory (messages in flight, when to look next) only while it owns the lane, and
    // it owns lanes only while it renews its lease. Leases are by the machine's clock.

    /// Renews a node's lease, or begins it, and says which lanes the node has, should acquire and should give up. Nodes
    /// whose lease is over are removed.
    async fn lease(&self, order: LeaseOrder) -> Result<Leased>;

    /// Removes a node that ends. It has given up its lanes before.
    async fn leave(&self, node: Node) -> Result<()>;

    /// Removes all nodes and frees all lanes. Only for a caller that knows that no other process serves this database.
    async fn forget_nodes(&self) -> Result<()>;

    /// Gives a lane to this node: from now on nothing is written under an earlier epoch. Returns the messages that the
    /// previous owner left in flight, for this node to settle. Every ready message without a timer gets a timer, now.
    /// `None`: another node has the lane.
    async fn acquire(&self, lane: Lane, node: &str, now: UnixMillis) -> Result<Option<Acquired>>;

    /// Gives a lane up. `false`: the lane had changed hands since this epoch.
    async fn release(&self, lane: Lane, epoch: Epoch) -> Result<bool>;

    /// Notes that a node may have missed pushes of WeChat's until now.
    async fn listening_broke(&self, now: UnixMillis) -> Result<()>;

    // ---- messages

    /// Stores messages; returns one answer each, in order. All messages are stored, or none.
    ///
    /// For each message: a known idempotency key answers `Replayed` or `KeyReused`. Otherwise the message's own permit is
    /// granted, [`hongyan_ledger::start::start`] decides the first state, and the message is written in this state.
    async fn accept(&self, messages: Vec<NewMessage>) -> Result<Vec<Accepted>>;

    /// Looks at the messages of a lane whose timer has rung, the earliest first (by time, then by order of acceptance), and
    /// starts up to `limit` of them. `None`: the lane changed hands since this epoch; nothing was done.
    async fn claim(
        &self,
        lane: Lane,
        epoch: Epoch,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Option<ClaimBatch>>;

    /// Stores outcomes; returns one answer each, in order.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>>;

    /// Withdraws a message, if it was not sent.
    async fn cancel(&self, id: MessageId, now: UnixMillis) -> Result<Cancelled>;

    /// Moves an `unknown` message on, as [`hongyan_ledger::resolve::resolve`] decides. Repeating an order changes nothing.
    /// Silence does not count while an event about the user waits to be worked on.
    async fn resolve(&self, order: ResolveOrder) -> Result<Resolved>;

    /// One message with its body, attempts and resolutions.
    async fn message(&self, id: MessageId) -> Result<Option<MessageDetail>>;

    /// Why a message lacks or lacked a permit, as [`hongyan_ledger::explain::explain`] decides. Empty if it lacked no
    /// permit, or if the stored rows no longer show why.
    async fn explain(&self, id: MessageId, now: UnixMillis) -> Result<Vec<Because>>;

    /// These messages, without their bodies and attempts, in the order of `ids`; `None` for a message that does not exist.
    async fn message_views(&self, ids: Vec<MessageId>) -> Result<Vec<Option<MessageView>>>;

    /// A page of messages, newest first. It looks at no more than `filter.look_at` messages, and says where to go on.
    async fn messages(&self, filter: MessageFilter) -> Result<Page<MessageView, MessageId>>;

    // ---- permits

    /// Stores grants; returns one answer each, in order. Wakes the waiting messages that the new permits serve, in the app's
    /// waiting order. All grants are stored, or none.
    async fn grant(&self, permits: Vec<NewPermit>, now: UnixMillis) -> Result<Vec<Granted>>;

    /// All permits of a user, newest first.
    async fn permits(&self, appid: AppId, openid: OpenId, now: UnixMillis) -> Result<Vec<PermitView>>;

    /// How many users and units can be reached now.
    async fn reach(
        &self,
        appid: AppId,
        template: Option<TemplateId>,
        kind: Option<PermitKind>,
        now: UnixMillis,
    ) -> Result<Reach>;

    // ---- apps and what belongs to them

    /// Registers an app; `false` if this appid is registered already.
    async fn add_app(&self, app: AppRecord) -> Result<bool>;

    /// Changes an app's settings, if the app still has the version that the change was made from. Leaves its pause alone.
    async fn change_app(
        &self,
        appid: AppId,
        version: u64,
        change: AppChange,
        now: UnixMillis,
    ) -> Result<AppChanged>;

    /// Removes an app, its templates and its tokens. Its messages and permits stay as history; messages that are not yet
    /// sent are cancelled. `false` if there is no such app.
    async fn remove_app(&self, appid: AppId, now: UnixMillis) -> Result<bool>;

    /// All apps, by appid.
    async fn apps(&self) -> Result<Vec<AppRecord>>;

    /// One app.
    async fn app(&self, appid: AppId) -> Result<Option<AppRecord>>;

    /// Pauses an app. A pause that only an operator ends is not replaced by a pause that ends by itself.
    async fn pause(&self, order: PauseOrder) -> Result<()>;

    /// Ends an app's pause and gives every ready message of the app a timer, now. Returns whether the app was paused.
    async fn resume(&self, appid: AppId, now: UnixMillis) -> Result<bool>;

    /// If the app's breaker ([`hongyan_ledger::breaker`]) is open and its pause is over: gives the first ready
    /// messages of a few users a timer, now. They are looked for behind `after`, so that every user's turn comes.
    async fn probe(&self, appid: AppId, after: Option<ProbeWalk>, now: UnixMillis) -> Result<Probing>;

    /// Replaces an app's templates of both channels by these, which WeChat was asked for at `asked_at`. Returns the changes,
    /// by title. Nothing is stored if the app is not registered, or if its templates were asked for at a later time already.
    async fn put_templates(
        &self,
        appid: AppId,
        templates: Vec<TemplateRecord>,
        asked_at: UnixMillis,
    ) -> Result<Vec<TemplateChange>>;

    /// The templates of all apps.
    async fn all_templates(&self) -> Result<Vec<TemplateRecord>>;

    /// An app's templates, by title.
    async fn templates(&self, appid: AppId) -> Result<Vec<TemplateRecord>>;

    /// Leases to a node the turn to ask WeChat for an app's access token. `false`: another node has the turn.
    async fn lease_token(&self, lease: TokenLease) -> Result<bool>;

    /// Ends a node's turn.
    async fn end_token_lease(&self, appid: AppId, node: Arc<str>) -> Result<()>;

    /// Keeps a token, unless the stored token has a later generation. Returns whether the token was kept.
    async fn put_token(&self, token: TokenRecord) -> Result<bool>;

    /// The tokens of all apps.
    async fn tokens(&self) -> Result<Vec<TokenRecord>>;

    /// The stored access token of an app.
    async fn token(&self, appid: AppId) -> Result<Option<TokenRecord>>;

    /// Keeps a token that the facade handed out.
    async fn put_gateway_token(&self, token: GatewayTokenRecord) -> Result<()>;

    /// The handed-out token with this hash, if it is known and has not expired.
    async fn gateway_token(&self, hash: [u8; 32], now: UnixMillis) -> Result<Option<GatewayTokenRecord>>;

    /// The handed-out tokens of an app that have not expired, newest first, at most `limit`.
    async fn gateway_tokens(
        &self,
        appid: AppId,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<GatewayTokenRecord>>;

    /// Notes that a handed-out token was used.
    async fn gateway_token_used(&self, hash: [u8; 32], now: UnixMillis) -> Result<()>;

    /// Removes the handed-out token of an app with this id, or all of them. Returns how many tokens that were.
    async fn revoke_gateway_tokens(&self, appid: AppId, id: Option<TokenId>, now: UnixMillis) -> Result<u64>;

    // ---- users

    /// Keeps a login: the last two session keys of the user, and the session. Only the newest ten sessions of a user work.
    async fn put_login(&self, login: LoginRecord) -> Result<()>;

    /// The session with this hash in this lane, if it is known and has not expired.
    async fn session(&self, lane: Lane, hash: [u8; 32], now: UnixMillis) -> Result<Option<SessionRecord>>;

    /// Ends sessions of an app, or of one of its users, at most `limit`. Returns how many it ended; if that is `limit`,
    /// there may be more.
    async fn end_sessions(&self, appid: AppId, openid: Option<OpenId>, limit: u32) -> Result<u32>;

    /// Removes the session keys of an app's users, at most `limit`. Returns how many; if that is `limit`, there may be more.
    async fn forget_users(&self, appid: AppId, limit: u32) -> Result<u32>;

    /// The sealed session keys of a user, newest first, at most two.
    async fn session_keys(&self, appid: AppId, openid: OpenId) -> Result<Vec<Vec<u8>>>;

    // ---- events

    /// Stores an event that has come, to be worked on. A repeat of a stored event changes nothing. An event whose timestamp
    /// and nonce were used for another content is refused.
    async fn receive_event(&self, event: NewEvent) -> Result<Received>;

    /// The events of a lane that are to be worked on now, in order of receipt.
    async fn open_events(&self, lane: Lane, now: UnixMillis, limit: u32) -> Result<OpenEvents>;

    /// Does all that an event asks for, and marks the event as done. If a message that the event may be about still awaits
    /// its answer, the event is parked and nothing of it is done. `None`: there is no such event, it is done already, or
    /// another node owns its lane.
    async fn apply_event(&self, order: ApplyOrder) -> Result<Option<Applied>>;

    /// A page of events, newest first. It looks at no more than `filter.look_at` events, and says where to go on.
    async fn events(&self, filter: EventFilter) -> Result<Page<EventView, EventId>>;

    /// Notes that WeChat has checked the address of an app's callback. The timestamp and nonce of the check are used up,
    /// like those of an event: a third party that has seen the check must not push an event under them.
    async fn callback_verified(&self, appid: AppId, check: types::AddressCheck) -> Result<()>;

    /// When an app's callback was last used.
    async fn callback_status(&self, appid: AppId) -> Result<CallbackStatus>;

    /// When each app's callback was last used, for those that were used.
    async fn callback_statuses(&self) -> Result<Vec<(AppId, CallbackStatus)>>;

    // ---- API keys

    /// Keeps a key.
    async fn add_key(&self, key: KeyRecord) -> Result<()>;

    /// The key with this hash, even if it is revoked.
    async fn key(&self, hash: [u8; 32]) -> Result<Option<KeyRecord>>;

    /// All keys, oldest first.
    async fn keys(&self) -> Result<Vec<KeyRecord>>;

    /// Notes that a key was used.
    async fn key_used(&self, id: KeyId, now: UnixMillis) -> Result<()>;

    /// The number of a caller, which messages that are accepted from the caller name. It never changes.
    async fn caller(&self, caller: CallerId) -> Result<CallerNumber>;

    /// Revokes a key, and with it the tokens that were handed out to it. `false` if there is no such key, or it is revoked
    /// already.
    async fn revoke_key(&self, id: KeyId, now: UnixMillis) -> Result<bool>;

    // ---- the audit trail

    /// Writes who is about to change what, and returns the line's number. The line is durable before the change begins, so
    /// no change lacks its line.
    async fn begin_audit(&self, new: NewAudit) -> Result<i64>;

    /// Writes how that change ended.
    async fn end_audit(&self, number: i64, end: AuditEnd) -> Result<()>;

    /// A page of the audit trail, newest first.
    async fn audit(&self, filter: AuditFilter) -> Result<Vec<AuditEntry>>;

    // ---- figures over time

    /// How much happened when. It is counted in the transaction in which it happens, and kept when the messages are not:
    /// minutes, hours and days for as long as [`hongyan_ledger::tally`] says.
    async fn tallies(&self, filter: TallyFilter) -> Result<TallyCounts>;

    // ---- events out
    //
    // Whatever a verb does that a webhook wants to know is stored as an event in the verb's own transaction.

    /// Adds a webhook. It is told of what happens from now on. `false`: there are [`types::MAX_WEBHOOKS`] webhooks already.
    async fn add_webhook(&self, webhook: WebhookRecord) -> Result<bool>;

    /// Changes a webhook. Returns the changed webhook, or `None` if there is no such webhook.
    async fn change_webhook(
        &self,
        id: WebhookId,
        change: WebhookChange,
        now: UnixMillis,
    ) -> Result<Option<WebhookRecord>>;

    /// Removes a webhook; `false` if there is no such webhook. The events stay for the other webhooks.
    async fn remove_webhook(&self, id: WebhookId) -> Result<bool>;

    /// All webhooks, in the order in which they were set up, with their cursors.
    async fn webhooks(&self) -> Result<Vec<WebhookStart>>;

    /// A webhook with its cursor, for its worker.
    async fn webhook_start(&self, id: WebhookId) -> Result<Option<WebhookStart>>;

    /// The events behind a cursor that a webhook wants, in order: as many as are among the next `limit`.
    async fn feed(&self, id: WebhookId, after: FeedCursor, limit: u32) -> Result<Feed>;

    /// Deliveries whose next try is due, the earliest first; at most one of each subject.
    async fn due_deliveries(&self, id: WebhookId, now: UnixMillis, limit: u32) -> Result<Vec<Delivery>>;

    /// When the next try of a webhook's deliveries is due.
    async fn next_delivery_at(&self, id: WebhookId) -> Result<Option<UnixMillis>>;

    /// Stores what became of deliveries, and the webhook's health by [`hongyan_ledger::webhook`]. Returns the webhook's
    /// standing after that, or `None` if the webhook is gone, or another node delivers to it.
    async fn settle_deliveries(&self, report: DeliveryReport) -> Result<Option<WebhookStanding>>;

    /// Makes events due once more, as if they had never been tried.
    async fn replay(&self, id: WebhookId, order: ReplayOrder, now: UnixMillis) -> Result<Replayed>;

    /// Writes an event for this webhook alone, due now; `None` if there is no such webhook.
    async fn test_webhook(&self, id: WebhookId, now: UnixMillis) -> Result<Option<WebhookEventId>>;

    /// A webhook's deliveries, newest first, those of events before `before`.
    async fn deliveries(
        &self,
        id: WebhookId,
        before: Option<WebhookEventId>,
        limit: u32,
    ) -> Result<Vec<DeliveryView>>;

    /// A webhook and its backlog, both of the same moment.
    async fn webhook(&self, id: WebhookId) -> Result<Option<(WebhookRecord, Backlog)>>;

    /// One small step of a search for permits with units left that expire soon. The store tells of each permit once.
    async fn tell_expiring(&self, order: ExpiringOrder) -> Result<ExpiringStep>;

    // ---- what follows

    /// Hands the signals of each commit to this listener, from the next commit on: after the commit, and before the callers
    /// of its verbs get their answers. Only the store publishes the signals of a commit.
    fn listen(&self, listener: Arc<dyn Listener>);

    // ---- how busy it is

    /// Whether verbs queue up for the writer. Work that can wait should wait then.
    fn is_crowded(&self) -> bool;

    /// How many verbs shared each of the last commits, on average, for metrics: one while there is little to do, ten and
    /// more when verbs queue up; zero after a second without a commit. `None`: this backend does not group verbs.
    fn verbs_per_commit(&self) -> Option<f32>;

    // ---- clearing away

    /// One small step of a walk over everything that may be old; the answer says where to go on.
    ///
    /// Removed are: messages in a final state, or `sent`, since before `order.before` (not `unknown`), with their bodies and
    /// attempts; permits with a code that have been void since then, unless a message that stays names them or they are the
    /// newest of their user and kind; sessions and handed-out tokens that have expired; WeChat's events that are done and
    /// came before then; nonces and acceptances that have expired; webhook events, but not before the last try at every
    /// webhook is over. Counts of old minutes become a part of their hours, those of old hours a part of their days, and those
    /// of old days go. With a message its idempotency key is forgotten; with an event the store forgets that it came. A
    /// step that fails may be repeated.
    async fn prune(&self, walk: PruneWalk, order: PruneOrder) -> Result<Pruned>;

    // ---- what the gateway has sealed

    /// Sealed values of one kind, of the owners behind `after`. It looks at no more than `limit` owners.
    async fn sealed(&self, kind: SealedKind, after: Option<SealedOwner>, limit: u32) -> Result<SealedPage>;

    /// Replaces sealed values, each only if it is still the value that was read. Returns how many were replaced.
    async fn reseal(&self, changes: Vec<Reseal>) -> Result<u32>;

    // ---- the store itself

    /// Checks that the database answers: one small read, and one small write unless a commit has succeeded within the last
    /// seconds. So many health checks cause few writes, and a full disk is noticed all the same.
    async fn ping(&self) -> Result<()>;

    /// Finishes what is running and closes the database. Later verbs answer [`StoreError::Closed`].
    async fn close(&self);
}
