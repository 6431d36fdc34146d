//! The store's verbs: each goes to the thread that carries it out.

use std::time::Duration;

use std::sync::Arc;

use async_trait::async_trait;
use hongyan_clock::UnixMillis;
use hongyan_ledger::explain::Because;
use hongyan_ledger::{EventId, KeyId, Lane, MessageId, PermitKind, TokenId, WebhookEventId, WebhookId};
use hongyan_wechat::{AppId, OpenId, TemplateId};

use super::memory::Transaction;
use super::messages::{explain, read};
use super::verb::Verb;
use super::webhooks::{deliveries, expiring};
use super::{
    SqliteStore, apps, audit, cells, events, keys, permits, prune, reach, sealed, sessions, tallies,
    templates, tokens, webhooks,
};
use crate::rows::{AuditRows, CredentialRows, LaneRows, User};
use crate::signals::Listener;
use crate::types::{
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
use crate::verbs::{self, messages};
use crate::{Result, Store};

/// For so long a successful commit is taken as proof that the next one will succeed.
const TRUSTED: Duration = Duration::from_secs(5);

/// From so many verbs in a commit on the writer is crowded. At half of what a machine can do some three verbs share a
/// commit, at its peak eighteen.
const CROWDED: f32 = 8.0;

#[async_trait]
impl Store for SqliteStore {
    async fn accept(&self, messages: Vec<NewMessage>) -> Result<Vec<Accepted>> {
        self.write(Verb::Accept, move |db| messages::accept::accept(db, &messages)).await
    }

    async fn claim(
        &self,
        lane: Lane,
        epoch: Epoch,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Option<ClaimBatch>> {
        self.write(Verb::Claim, move |tx| messages::claim::claim(tx, lane, epoch, now, limit)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.write(Verb::Settle, move |db| messages::settle::settle(db, &settlements)).await
    }

    async fn lease(&self, order: LeaseOrder) -> Result<Leased> {
        self.write(Verb::Lease, move |tx| verbs::lanes::lease(tx, &order)).await
    }

    async fn leave(&self, node: Node) -> Result<()> {
        self.write(Verb::Leave, move |tx| verbs::lanes::leave(tx, &node)).await
    }

    async fn forget_nodes(&self) -> Result<()> {
        self.write(Verb::ForgetNodes, |tx| verbs::lanes::forget_nodes(tx)).await
    }

    async fn listening_broke(&self, now: UnixMillis) -> Result<()> {
        self.write(Verb::NoteBreak, move |tx| verbs::lanes::listening_broke(tx, now)).await
    }

    async fn acquire(&self, lane: Lane, node: &str, now: UnixMillis) -> Result<Option<Acquired>> {
        let node = node.to_owned();
        self.write(Verb::AcquireLane, move |tx| verbs::lanes::acquire(tx, lane, &node, now)).await
    }

    async fn release(&self, lane: Lane, epoch: Epoch) -> Result<bool> {
        self.write(Verb::ReleaseLane, move |tx| verbs::lanes::release(tx, lane, epoch)).await
    }

    async fn cancel(&self, id: MessageId, now: UnixMillis) -> Result<Cancelled> {
        self.write(Verb::CancelMessage, move |db| messages::cancel::cancel(db, id, now)).await
    }

    async fn resolve(&self, order: ResolveOrder) -> Result<Resolved> {
        self.write(Verb::ResolveMessage, move |db| messages::resolve::resolve(db, &order)).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageDetail>> {
        self.read(Verb::ReadMessage, move |db| read::message(db, id)).await
    }

    async fn explain(&self, id: MessageId, now: UnixMillis) -> Result<Vec<Because>> {
        self.read_for_people(Verb::ExplainMessage, move |db| explain::explain(db, id, now)).await
    }

    async fn message_views(&self, ids: Vec<MessageId>) -> Result<Vec<Option<MessageView>>> {
        self.read(Verb::ReadMessages, move |db| read::views(db, &ids)).await
    }

    async fn messages(&self, filter: MessageFilter) -> Result<Page<MessageView, MessageId>> {
        self.read_for_people(Verb::ListMessages, move |db| read::messages(db, &filter)).await
    }

    async fn grant(&self, permits: Vec<NewPermit>, now: UnixMillis) -> Result<Vec<Granted>> {
        self.write(Verb::GrantPermits, move |db| verbs::permits::grant(db, &permits, now)).await
    }

    async fn permits(&self, appid: AppId, openid: OpenId, now: UnixMillis) -> Result<Vec<PermitView>> {
        let user = User::of(&appid, &openid);
        self.read_for_people(Verb::ListPermits, move |db| permits::permits_of(db, &user, now)).await
    }

    async fn reach(
        &self,
        appid: AppId,
        template: Option<TemplateId>,
        kind: Option<PermitKind>,
        now: UnixMillis,
    ) -> Result<Reach> {
        self.count(Verb::CountReach, move |db| reach::reach(db, &appid, template.as_ref(), kind, now)).await
    }

    async fn add_app(&self, app: AppRecord) -> Result<bool> {
        self.write(Verb::AddApp, move |db| verbs::apps::add(db, &app)).await
    }

    async fn change_app(
        &self,
        appid: AppId,
        version: u64,
        change: AppChange,
        now: UnixMillis,
    ) -> Result<AppChanged> {
        self.write(Verb::ChangeApp, move |tx| verbs::apps::alter(tx, &appid, version, &change, now)).await
    }

    async fn remove_app(&self, appid: AppId, now: UnixMillis) -> Result<bool> {
        self.write(Verb::RemoveApp, move |db| verbs::apps::remove(db, &appid, now)).await
    }

    async fn apps(&self) -> Result<Vec<AppRecord>> {
        self.read(Verb::ListApps, apps::all).await
    }

    async fn app(&self, appid: AppId) -> Result<Option<AppRecord>> {
        self.read(Verb::ReadApp, move |db| apps::find(db, &appid)).await
    }

    async fn pause(&self, order: PauseOrder) -> Result<()> {
        self.write(Verb::PauseApp, move |db| verbs::apps::pause(db, &order)).await
    }

    async fn resume(&self, appid: AppId, now: UnixMillis) -> Result<bool> {
        self.write(Verb::ResumeApp, move |db| verbs::apps::resume(db, &appid, now)).await
    }

    async fn probe(&self, appid: AppId, after: Option<ProbeWalk>, now: UnixMillis) -> Result<Probing> {
        self.write(Verb::Probe, move |db| verbs::apps::probe(db, &appid, after.as_ref(), now)).await
    }

    async fn put_templates(
        &self,
        appid: AppId,
        templates: Vec<TemplateRecord>,
        asked_at: UnixMillis,
    ) -> Result<Vec<TemplateChange>> {
        let put = move |tx: &Transaction<'_>| verbs::templates::put(tx, &appid, &templates, asked_at);
        self.write(Verb::KeepTemplates, put).await
    }

    async fn all_templates(&self) -> Result<Vec<TemplateRecord>> {
        self.read(Verb::ListAllTemplates, templates::all).await
    }

    async fn templates(&self, appid: AppId) -> Result<Vec<TemplateRecord>> {
        self.read(Verb::ListTemplates, move |db| templates::of(db, &appid)).await
    }

    async fn lease_token(&self, lease: TokenLease) -> Result<bool> {
        self.write(Verb::LeaseToken, move |tx| verbs::lanes::lease_token(tx, &lease)).await
    }

    async fn end_token_lease(&self, appid: AppId, node: Arc<str>) -> Result<()> {
        self.write(Verb::EndTokenLease, move |tx| tx.delete_token_lease(&appid, &node)).await
    }

    async fn put_token(&self, token: TokenRecord) -> Result<bool> {
        self.write(Verb::KeepAccessToken, move |db| verbs::credentials::put_token(db, &token)).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>> {
        self.read(Verb::ReadAllAccessTokens, tokens::all).await
    }

    async fn token(&self, appid: AppId) -> Result<Option<TokenRecord>> {
        self.read(Verb::ReadAccessToken, move |db| tokens::of(db, &appid)).await
    }

    async fn put_gateway_token(&self, token: GatewayTokenRecord) -> Result<()> {
        self.write(Verb::KeepGatewayToken, move |db| verbs::credentials::put_gateway_token(db, &token)).await
    }

    async fn gateway_token(&self, hash: [u8; 32], now: UnixMillis) -> Result<Option<GatewayTokenRecord>> {
        self.read(Verb::ReadGatewayToken, move |db| tokens::gateway(db, hash, now)).await
    }

    async fn gateway_tokens(
        &self,
        appid: AppId,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<GatewayTokenRecord>> {
        self.read_for_people(Verb::ListGatewayTokens, move |db| tokens::gateway_of(db, &appid, now, limit))
            .await
    }

    async fn gateway_token_used(&self, hash: [u8; 32], now: UnixMillis) -> Result<()> {
        self.write(Verb::UseGatewayToken, move |db| db.gateway_token_used(hash, now)).await
    }

    async fn revoke_gateway_tokens(&self, appid: AppId, id: Option<TokenId>, now: UnixMillis) -> Result<u64> {
        self.write(Verb::RevokeGatewayTokens, move |db| {
            verbs::credentials::revoke_gateway_tokens(db, &appid, id, now)
        })
        .await
    }

    async fn put_login(&self, login: LoginRecord) -> Result<()> {
        self.write(Verb::KeepLogin, move |db| verbs::credentials::put_login(db, &login)).await
    }

    async fn session(&self, lane: Lane, hash: [u8; 32], now: UnixMillis) -> Result<Option<SessionRecord>> {
        self.read(Verb::ReadSession, move |db| sessions::session(db, lane, hash, now)).await
    }

    async fn end_sessions(&self, appid: AppId, openid: Option<OpenId>, limit: u32) -> Result<u32> {
        self.write(Verb::EndSessions, move |db| {
            verbs::credentials::end_sessions(db, &appid, openid.as_ref(), limit)
        })
        .await
    }

    async fn forget_users(&self, appid: AppId, limit: u32) -> Result<u32> {
        self.write(Verb::ForgetUsers, move |db| verbs::credentials::forget_users(db, &appid, limit)).await
    }

    async fn session_keys(&self, appid: AppId, openid: OpenId) -> Result<Vec<Vec<u8>>> {
        let user = User::of(&appid, &openid);
        self.read(Verb::ReadSessionKeys, move |db| sessions::session_keys(db, &user)).await
    }

    async fn receive_event(&self, event: NewEvent) -> Result<Received> {
        self.write(Verb::ReceiveEvent, move |tx| verbs::events::receive(tx, &event)).await
    }

    async fn open_events(&self, lane: Lane, now: UnixMillis, limit: u32) -> Result<OpenEvents> {
        self.read(Verb::OpenEvents, move |db| events::open(db, lane, now, limit)).await
    }

    async fn apply_event(&self, order: ApplyOrder) -> Result<Option<Applied>> {
        self.write(Verb::ApplyEvent, move |tx| verbs::events::apply(tx, &order)).await
    }

    async fn events(&self, filter: EventFilter) -> Result<Page<EventView, EventId>> {
        self.read_for_people(Verb::ListEvents, move |db| events::list(db, &filter)).await
    }

    async fn callback_verified(&self, appid: AppId, check: crate::types::AddressCheck) -> Result<()> {
        self.write(Verb::VerifyCallback, move |tx| verbs::events::verified(tx, &appid, &check)).await
    }

    async fn callback_status(&self, appid: AppId) -> Result<CallbackStatus> {
        self.read(Verb::ReadCallback, move |db| events::status(db, &appid)).await
    }

    async fn callback_statuses(&self) -> Result<Vec<(AppId, CallbackStatus)>> {
        self.read(Verb::ReadCallbacks, events::statuses).await
    }

    async fn add_key(&self, key: KeyRecord) -> Result<()> {
        self.write(Verb::KeepKey, move |db| db.insert_key(&key)).await
    }

    async fn key(&self, hash: [u8; 32]) -> Result<Option<KeyRecord>> {
        self.read(Verb::ReadKey, move |db| keys::by_hash(db, hash)).await
    }

    async fn keys(&self) -> Result<Vec<KeyRecord>> {
        self.read_for_people(Verb::ListKeys, keys::all).await
    }

    async fn key_used(&self, id: KeyId, now: UnixMillis) -> Result<()> {
        self.write(Verb::NoteKeyUse, move |db| db.key_used(id, now)).await
    }

    async fn caller(&self, caller: CallerId) -> Result<CallerNumber> {
        self.write(Verb::NumberCaller, move |db| verbs::credentials::caller(db, caller)).await
    }

    async fn revoke_key(&self, id: KeyId, now: UnixMillis) -> Result<bool> {
        self.write(Verb::RevokeKey, move |db| verbs::credentials::revoke_key(db, id, now)).await
    }

    async fn begin_audit(&self, new: NewAudit) -> Result<i64> {
        self.write(Verb::BeginAudit, move |db| db.insert_audit(&new)).await
    }

    async fn end_audit(&self, number: i64, end: AuditEnd) -> Result<()> {
        self.write(Verb::EndAudit, move |db| db.end_audit(number, &end)).await
    }

    async fn audit(&self, filter: AuditFilter) -> Result<Vec<AuditEntry>> {
        self.read_for_people(Verb::ListAudit, move |db| audit::list(db, &filter)).await
    }

    async fn tallies(&self, filter: TallyFilter) -> Result<TallyCounts> {
        self.read_for_people(Verb::ReadTallies, move |db| tallies::read(db, &filter)).await
    }

    async fn add_webhook(&self, webhook: WebhookRecord) -> Result<bool> {
        self.write(Verb::AddWebhook, move |tx| verbs::webhooks::add(tx, &webhook)).await
    }

    async fn change_webhook(
        &self,
        id: WebhookId,
        change: WebhookChange,
        now: UnixMillis,
    ) -> Result<Option<WebhookRecord>> {
        self.write(Verb::ChangeWebhook, move |tx| verbs::webhooks::alter(tx, id, &change, now)).await
    }

    async fn remove_webhook(&self, id: WebhookId) -> Result<bool> {
        self.write(Verb::RemoveWebhook, move |tx| verbs::webhooks::remove(tx, id)).await
    }

    async fn webhooks(&self) -> Result<Vec<WebhookStart>> {
        self.read(Verb::ListWebhooks, webhooks::all).await
    }

    async fn webhook_start(&self, id: WebhookId) -> Result<Option<WebhookStart>> {
        self.read(Verb::ReadWebhook, move |db| webhooks::start(db, id)).await
    }

    async fn feed(&self, id: WebhookId, after: FeedCursor, limit: u32) -> Result<Feed> {
        self.read(Verb::ReadFeed, move |db| deliveries::feed(db, id, &after, limit)).await
    }

    async fn due_deliveries(&self, id: WebhookId, now: UnixMillis, limit: u32) -> Result<Vec<Delivery>> {
        self.read(Verb::ReadDeliveries, move |db| deliveries::due(db, id, now, limit)).await
    }

    async fn next_delivery_at(&self, id: WebhookId) -> Result<Option<UnixMillis>> {
        self.read(Verb::NextDelivery, move |db| deliveries::next_at(db, id)).await
    }

    async fn settle_deliveries(&self, report: DeliveryReport) -> Result<Option<WebhookStanding>> {
        self.write(Verb::SettleDeliveries, move |tx| verbs::webhooks::deliveries::settle(tx, &report)).await
    }

    async fn replay(&self, id: WebhookId, order: ReplayOrder, now: UnixMillis) -> Result<Replayed> {
        self.write(Verb::ReplayEvents, move |tx| verbs::webhooks::replay::replay(tx, id, &order, now)).await
    }

    async fn test_webhook(&self, id: WebhookId, now: UnixMillis) -> Result<Option<WebhookEventId>> {
        self.write(Verb::TestWebhook, move |tx| verbs::webhooks::replay::test(tx, id, now)).await
    }

    async fn deliveries(
        &self,
        id: WebhookId,
        before: Option<WebhookEventId>,
        limit: u32,
    ) -> Result<Vec<DeliveryView>> {
        self.read_for_people(Verb::ListDeliveries, move |db| deliveries::list(db, id, before, limit)).await
    }

    async fn webhook(&self, id: WebhookId) -> Result<Option<(WebhookRecord, Backlog)>> {
        self.read_for_people(Verb::ReadWebhook, move |db| deliveries::with_backlog(db, id)).await
    }

    fn is_crowded(&self) -> bool {
        self.crowd.verbs_per_commit() >= CROWDED
    }

    fn verbs_per_commit(&self) -> Option<f32> {
        Some(self.crowd.verbs_per_commit())
    }

    async fn tell_expiring(&self, order: ExpiringOrder) -> Result<ExpiringStep> {
        match self.read(Verb::FindExpiring, move |db| expiring::look(db, &order)).await? {
            Ok(found) => {
                self.write(Verb::TellExpiring, move |tx| verbs::webhooks::expiring::tell(tx, &order, &found))
                    .await
            }
            Err(answer) => Ok(answer),
        }
    }

    fn listen(&self, listener: Arc<dyn Listener>) {
        self.listeners.add(listener);
    }

    async fn prune(&self, walk: PruneWalk, order: PruneOrder) -> Result<Pruned> {
        let from = walk.clone();
        let picked = self.read(Verb::FindOld, move |db| prune::pick(db, &from, &order)).await?;
        if picked.is_nothing() {
            return Ok(picked.unchanged());
        }
        self.write(Verb::RemoveOld, move |db| verbs::prune::remove(db, &walk, &order, &picked)).await
    }

    async fn sealed(&self, kind: SealedKind, after: Option<SealedOwner>, limit: u32) -> Result<SealedPage> {
        self.read(Verb::ReadSealed, move |db| sealed::page(db, kind, after.as_ref(), limit)).await
    }

    async fn reseal(&self, changes: Vec<Reseal>) -> Result<u32> {
        self.write(Verb::Reseal, move |tx| verbs::sealed::reseal(tx, &changes)).await
    }

    async fn ping(&self) -> Result<()> {
        let read = |db: &rusqlite::Connection| {
            cells::one(db, "SELECT beats FROM heartbeat", [], |cells| cells.raw::<i64>())
        };
        self.read(Verb::Ping, read).await?;
        if self.crowd.has_committed_within(TRUSTED) {
            return Ok(());
        }
        let write = |tx: &Transaction<'_>| cells::change(tx, "UPDATE heartbeat SET beats = beats + 1", []);
        self.write(Verb::Ping, write).await?;
        Ok(())
    }

    async fn close(&self) {
        self.shut().await;
    }
}
