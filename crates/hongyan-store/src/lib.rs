//! The ledger kept in a database.
//!
//! [`Store`] speaks in the domain's verbs: *accept* a message, *claim* what is due, *settle* an attempt, *grant* a
//! permit. Each verb is one durable transaction. The rules that a verb follows are `hongyan-ledger`'s; a verb reads
//! the rows that a rule asks about, lets it decide, and writes what it decided.
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
//! It is not a cache and not a queue: what the SQLite backend remembers is what stands in its file.

use std::sync::Arc;

use async_trait::async_trait;
use hongyan_clock::UnixMillis;
use hongyan_ledger::explain::Because;
use hongyan_ledger::{EventId, KeyId, Lane, MessageId, PermitKind, TokenId, WebhookEventId, WebhookId};
use hongyan_wechat::{AppId, OpenId, TemplateId};
#[cfg(feature = "conformance")]
pub mod conformance;
mod row_error;
mod rows;
pub mod signals;
pub mod sqlite;
pub mod types;
mod verbs;

use signals::Listener;
use types::{
    Accepted, Acquired, AppChange, AppChanged, AppRecord, Applied, ApplyOrder, AuditEnd, AuditEntry,
    AuditFilter, Backlog, CallbackStatus, Cancelled, ClaimBatch, Delivery, DeliveryReport, DeliveryView,
    Epoch, EventFilter, EventView, ExpiringOrder, ExpiringStep, Feed, GatewayTokenRecord, Granted, KeyRecord,
    LeaseOrder, Leased, LoginRecord, MessageDetail, MessageFilter, MessageView, NewAudit, NewEvent,
    NewMessage, NewPermit, Node, OpenEvents, Page, PauseOrder, PermitView, ProbeCursor, Probing, PruneCursor,
    PruneOrder, Pruned, Reach, Received, ReplayOrder, Replayed, Reseal, ResolveOrder, Resolved, SealedKind,
    SealedOwner, SealedPage, SessionRecord, Settled, Settlement, TemplateChange, TemplateRecord, TokenLease,
    TokenRecord, WebhookChange, WebhookRecord, WebhookStanding, WebhookStart,
};

/// Why the store could not do it. Nothing of the verb's work is kept when it fails.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened as asked.
    #[error("cannot open the database {path}: {why}")]
    Open {
        /// Which.
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
        /// Which.
        path: String,
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// There is no space for the database. It goes on by itself when there is.
    #[error("the disk is full: the database could not {verb}: {why}; make space on the disk")]
    Full {
        /// The verb.
        verb: &'static str,
        /// The database's words.
        why: String,
    },
    /// The database refused a statement (I/O error, a file that cannot be written, …).
    #[error("the database failed while it was asked to {verb}: {why}")]
    Failed {
        /// The verb.
        verb: &'static str,
        /// The database's words.
        why: String,
    },
    /// The file is damaged, or a row says what no row can say.
    #[error(
        "the database is damaged, or was changed by hand: {0}. Keep the file; `hongyan check` looks at all of it, \
         and `hongyan restore FILE --force` puts a backup in its place"
    )]
    Corrupt(String),
    /// A question of people's took longer than it may.
    #[error("it took too long to {verb}; ask for less, or for a part")]
    TookTooLong {
        /// The verb.
        verb: &'static str,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What the gateway asks of a database. Every verb is one transaction; when it returns, its work is durable.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // ---- nodes and lanes
    //
    // What a node has in memory of a lane (what is in flight, when to look next) it has as long as the lane is its own, and
    // it owns lanes as long as it renews its lease. Leases are by the machine's clock.

    /// Renews a node's lease, or begins one, and says which lanes it has, should acquire and should give up. Nodes whose
    /// lease is over are taken off.
    async fn lease(&self, order: LeaseOrder) -> Result<Leased>;

    /// A node ends, and says so. It has given its lanes up.
    async fn leave(&self, node: Node) -> Result<()>;

    /// Takes off all nodes, and makes all lanes nobody's: for who knows that no other process serves this database.
    async fn forget_nodes(&self) -> Result<()>;

    /// Makes a lane this node's: from now on nothing is written under an earlier epoch. What the owner before left in
    /// flight is returned, for this node to settle; every ready message without a timer gets one, now. `None`: another node
    /// has it.
    async fn acquire(&self, lane: Lane, node: &str, now: UnixMillis) -> Result<Option<Acquired>>;

    /// Gives a lane up. `false`: it was not this epoch's any more.
    async fn release(&self, lane: Lane, epoch: Epoch) -> Result<bool>;

    /// A node may have missed pushes of WeChat's until now.
    async fn listening_broke(&self, now: UnixMillis) -> Result<()>;

    // ---- messages

    /// Stores messages, one answer each, in order. All or none are stored.
    ///
    /// For each: an idempotency key that is known answers `Replayed` or `KeyReused`; otherwise its own permit is
    /// granted, [`hongyan_ledger::start::start`] decides where its life begins, and it is written there.
    async fn accept(&self, messages: Vec<NewMessage>) -> Result<Vec<Accepted>>;

    /// Looks at the messages of a lane whose timer has rung, earliest first (by time, then by order of acceptance),
    /// and starts up to `limit` of them. `None`: the lane changed hands since this epoch; nothing was done.
    async fn claim(
        &self,
        lane: Lane,
        epoch: Epoch,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Option<ClaimBatch>>;

    /// Stores outcomes, one answer each, in order.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>>;

    /// Withdraws a message that was not sent.
    async fn cancel(&self, id: MessageId, now: UnixMillis) -> Result<Cancelled>;

    /// Moves on a message that is `unknown`, as [`hongyan_ledger::resolve::resolve`] decides. The same order twice
    /// is one. Silence is no word while there is an event about the user that was not worked on.
    async fn resolve(&self, order: ResolveOrder) -> Result<Resolved>;

    /// One message with everything.
    async fn message(&self, id: MessageId) -> Result<Option<MessageDetail>>;

    /// Why a message lacks or lacked a permit, as [`hongyan_ledger::explain::explain`] decides. Empty if it did not, or
    /// if nothing shows it any more.
    async fn explain(&self, id: MessageId, now: UnixMillis) -> Result<Vec<Because>>;

    /// These messages, without their bodies and attempts, in the order of `ids`; `None` for one that is not there.
    async fn message_views(&self, ids: Vec<MessageId>) -> Result<Vec<Option<MessageView>>>;

    /// A page of messages, newest first. It looks at no more than `filter.look_at`, and says where to go on.
    async fn messages(&self, filter: MessageFilter) -> Result<Page<MessageView, MessageId>>;

    // ---- permits

    /// Stores grants, one answer each, in order, and sets going the waiting messages that they serve, in the app's
    /// waiting order. All or none are stored.
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

    /// Registers an app; `false` if there is one with this appid already.
    async fn add_app(&self, app: AppRecord) -> Result<bool>;

    /// Changes an app's settings, if it still has the version that the change was made from. Does not touch its pause.
    async fn change_app(
        &self,
        appid: AppId,
        version: u64,
        change: AppChange,
        now: UnixMillis,
    ) -> Result<AppChanged>;

    /// Forgets an app, its templates and its tokens; its messages and permits stay as history, and those not
    /// yet sent are cancelled. `false` if there is none.
    async fn remove_app(&self, appid: AppId, now: UnixMillis) -> Result<bool>;

    /// All apps, by appid.
    async fn apps(&self) -> Result<Vec<AppRecord>>;

    /// One app.
    async fn app(&self, appid: AppId) -> Result<Option<AppRecord>>;

    /// Pauses an app. A pause for which an operator is needed is not replaced by one that ends by itself.
    async fn pause(&self, order: PauseOrder) -> Result<()>;

    /// Ends an app's pause and gives every ready message of it a timer, now. Returns whether it was paused.
    async fn resume(&self, appid: AppId, now: UnixMillis) -> Result<bool>;

    /// If the app's breaker ([`hongyan_ledger::breaker`]) is open and its pause is over: gives the first ready
    /// messages of a few users a timer, now. They are looked for behind `after`, so that every user's turn comes.
    async fn probe(&self, appid: AppId, after: Option<ProbeCursor>, now: UnixMillis) -> Result<Probing>;

    /// Replaces an app's templates of both channels by these, which WeChat was asked for at `asked_at`, and says what that
    /// changed: by title, empty if nothing. Of an app that is not registered none are kept, nor of one that has been asked
    /// for later.
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

    /// Makes it a node's turn to ask WeChat for an app's access token. `false`: it is another's.
    async fn lease_token(&self, lease: TokenLease) -> Result<bool>;

    /// Ends a node's turn.
    async fn end_token_lease(&self, appid: AppId, node: Arc<str>) -> Result<()>;

    /// Keeps a token unless a later generation is there. Returns whether it was kept.
    async fn put_token(&self, token: TokenRecord) -> Result<bool>;

    /// The tokens of all apps.
    async fn tokens(&self) -> Result<Vec<TokenRecord>>;

    /// The token that is kept.
    async fn token(&self, appid: AppId) -> Result<Option<TokenRecord>>;

    /// Keeps a token that the facade handed out.
    async fn put_gateway_token(&self, token: GatewayTokenRecord) -> Result<()>;

    /// The handed-out token of this hash, if it is known and not expired.
    async fn gateway_token(&self, hash: [u8; 32], now: UnixMillis) -> Result<Option<GatewayTokenRecord>>;

    /// The handed-out tokens of an app that have not expired, newest first, at most `limit`.
    async fn gateway_tokens(
        &self,
        appid: AppId,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<GatewayTokenRecord>>;

    /// Notes that a handed-out token is in use.
    async fn gateway_token_used(&self, hash: [u8; 32], now: UnixMillis) -> Result<()>;

    /// Forgets a handed-out token of an app, or without an id all of them. Returns how many there were.
    async fn revoke_gateway_tokens(&self, appid: AppId, id: Option<TokenId>, now: UnixMillis) -> Result<u64>;

    // ---- users

    /// Keeps a login: the last two session keys per user, and the session. The newest ten sessions of a user work.
    async fn put_login(&self, login: LoginRecord) -> Result<()>;

    /// The session of this hash in this lane, if it is known and not expired.
    async fn session(&self, lane: Lane, hash: [u8; 32], now: UnixMillis) -> Result<Option<SessionRecord>>;

    /// Ends sessions of an app, or of one of its users: at most `limit`. How many it ended; as many as the limit: there may
    /// be more.
    async fn end_sessions(&self, appid: AppId, openid: Option<OpenId>, limit: u32) -> Result<u32>;

    /// Forgets the session keys of an app's users: at most `limit`. How many; as many as the limit: there may be more.
    async fn forget_users(&self, appid: AppId, limit: u32) -> Result<u32>;

    /// The sealed session keys of a user, newest first, at most two.
    async fn session_keys(&self, appid: AppId, openid: OpenId) -> Result<Vec<Vec<u8>>>;

    // ---- events

    /// Stores an event that has come, to be worked on; a repeat of one that is stored changes nothing. One whose
    /// timestamp and nonce were used for another content is not taken.
    async fn receive_event(&self, event: NewEvent) -> Result<Received>;

    /// The events of a lane that are to be worked on now, in order of receipt.
    async fn open_events(&self, lane: Lane, now: UnixMillis, limit: u32) -> Result<OpenEvents>;

    /// Does all that an event asks for, and marks it as done; or parks it, and does nothing of it, while a message that
    /// it may be about awaits its answer. `None`: there is no such event, it is done already, or its lane is another's.
    async fn apply_event(&self, order: ApplyOrder) -> Result<Option<Applied>>;

    /// A page of events, newest first. It looks at no more than `filter.look_at`, and says where to go on.
    async fn events(&self, filter: EventFilter) -> Result<Page<EventView, EventId>>;

    /// WeChat has checked the address of an app's callback, and was answered. What it was signed under is used up, as by
    /// an event: whoever has read the check on its way must not push something under it.
    async fn callback_verified(&self, appid: AppId, check: types::AddressCheck) -> Result<()>;

    /// When an app's callback was heard of.
    async fn callback_status(&self, appid: AppId) -> Result<CallbackStatus>;

    /// When each app's callback was heard of, for those that were.
    async fn callback_statuses(&self) -> Result<Vec<(AppId, CallbackStatus)>>;

    // ---- API keys

    /// Keeps a key.
    async fn add_key(&self, key: KeyRecord) -> Result<()>;

    /// The key of this hash, also when it is revoked.
    async fn key(&self, hash: [u8; 32]) -> Result<Option<KeyRecord>>;

    /// All keys, oldest first.
    async fn keys(&self) -> Result<Vec<KeyRecord>>;

    /// Notes that a key is in use.
    async fn key_used(&self, id: KeyId, now: UnixMillis) -> Result<()>;

    /// Revokes a key, and with it the tokens that were handed out to it; `false` if there is none, or it is revoked
    /// already.
    async fn revoke_key(&self, id: KeyId, now: UnixMillis) -> Result<bool>;

    // ---- the audit trail

    /// Notes what is about to be changed, and by whom; the number of the line. It is durable before the change is begun,
    /// so no change is without one.
    async fn begin_audit(&self, new: NewAudit) -> Result<i64>;

    /// Notes how that ended.
    async fn end_audit(&self, number: i64, end: AuditEnd) -> Result<()>;

    /// A page of the audit trail, newest first.
    async fn audit(&self, filter: AuditFilter) -> Result<Vec<AuditEntry>>;

    // ---- events out
    //
    // Whatever a verb does that somebody listens for is stored as an event in the verb's own transaction.

    /// Sets up a webhook. It is told of what happens from now on. `false`: there are [`types::MAX_WEBHOOKS`] already.
    async fn add_webhook(&self, webhook: WebhookRecord) -> Result<bool>;

    /// Changes a webhook; how it is then, or `None` if there is none.
    async fn change_webhook(
        &self,
        id: WebhookId,
        change: WebhookChange,
        now: UnixMillis,
    ) -> Result<Option<WebhookRecord>>;

    /// Forgets a webhook; `false` if there is none. The events stay for the others.
    async fn remove_webhook(&self, id: WebhookId) -> Result<bool>;

    /// All webhooks, in the order in which they were set up, with their cursors.
    async fn webhooks(&self) -> Result<Vec<WebhookStart>>;

    /// A webhook with its cursor, as its worker needs it.
    async fn webhook_start(&self, id: WebhookId) -> Result<Option<WebhookStart>>;

    /// The events behind this number that a webhook wants, in order: as many as are among the next `limit`.
    async fn feed(&self, id: WebhookId, after: i64, limit: u32) -> Result<Feed>;

    /// Deliveries whose next try is due, earliest first. At most one of each subject.
    async fn due_deliveries(&self, id: WebhookId, now: UnixMillis, limit: u32) -> Result<Vec<Delivery>>;

    /// When the next try of a webhook's deliveries is due.
    async fn next_delivery_at(&self, id: WebhookId) -> Result<Option<UnixMillis>>;

    /// Stores what became of deliveries, and how the webhook fares, by [`hongyan_ledger::webhook`]; where it stands
    /// then, or `None` if it is not there any more, or another node delivers to it.
    async fn settle_deliveries(&self, report: DeliveryReport) -> Result<Option<WebhookStanding>>;

    /// Makes events due once more, as if they had never been tried.
    async fn replay(&self, id: WebhookId, order: ReplayOrder, now: UnixMillis) -> Result<Replayed>;

    /// Makes an event for this webhook alone, due now; `None` if there is no such webhook.
    async fn test_webhook(&self, id: WebhookId, now: UnixMillis) -> Result<Option<WebhookEventId>>;

    /// A webhook's deliveries, newest first, those of events before `before`.
    async fn deliveries(
        &self,
        id: WebhookId,
        before: Option<WebhookEventId>,
        limit: u32,
    ) -> Result<Vec<DeliveryView>>;

    /// A webhook, and what it has before it, both of the same moment.
    async fn webhook(&self, id: WebhookId) -> Result<Option<(WebhookRecord, Backlog)>>;

    /// One small step of a search for permits with units left that expire soon. Each is told of once.
    async fn tell_expiring(&self, order: ExpiringOrder) -> Result<ExpiringStep>;

    // ---- what follows

    /// Hands to this listener what follows from each commit, from the next one on: after it, and before the callers of
    /// its verbs have their answers. What follows from a commit is nobody else's to tell.
    fn listen(&self, listener: Arc<dyn Listener>);

    // ---- how busy it is

    /// Whether verbs wait for each other. Who can wait, should then.
    fn is_crowded(&self) -> bool;

    /// How many verbs shared each of the last commits, on average, for those who look on: one while there is little to do,
    /// ten and more when they wait for each other; none after a second without a commit. `None`: this backend does not group
    /// them.
    fn verbs_per_commit(&self) -> Option<f32>;

    // ---- clearing away

    /// One small step of a walk over everything that may be old; the answer says where to go on.
    ///
    /// Goes: messages that are over (sent, failed, cancelled, …; not `unknown`) since before `order.before`, with their
    /// bodies and attempts; permits with a code that are void since then, unless a message that stays names them, or
    /// they are the newest of their user and kind; sessions and handed-out tokens that have expired; WeChat's events that
    /// are done and came before then; nonces and acceptances that have expired; events of webhooks, but not before the last
    /// try of a webhook is over. With a message its idempotency key is forgotten, with an event that it came. A step that
    /// fails may be repeated.
    async fn prune(&self, cursor: PruneCursor, order: PruneOrder) -> Result<Pruned>;

    // ---- what the gateway has sealed

    /// Sealed values of one kind, those of the owners behind `after`. It looks at no more than `limit` owners.
    async fn sealed(&self, kind: SealedKind, after: Option<SealedOwner>, limit: u32) -> Result<SealedPage>;

    /// Puts other sealed values in the places of these, each only where it is still the one that was read; how many
    /// were.
    async fn reseal(&self, changes: Vec<Reseal>) -> Result<u32>;

    // ---- the store itself

    /// Whether it answers: one small read, and one small write unless a commit has succeeded within the last seconds. So
    /// many who ask make few writes, and a disk that is full is still found out.
    async fn ping(&self) -> Result<()>;

    /// Ends what is running and closes the database. Later verbs answer [`StoreError::Closed`].
    async fn close(&self);
}
