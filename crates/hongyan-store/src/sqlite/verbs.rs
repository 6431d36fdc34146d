//! The store's verbs, each handed to the thread that carries it out.

use std::time::Duration;

use async_trait::async_trait;
use hongyan_clock::UnixMillis;
use hongyan_ledger::explain::Because;
use hongyan_ledger::{EventId, KeyId, Lane, MessageId, PermitKind, TokenId, WebhookEventId, WebhookId};
use hongyan_wechat::{AppId, OpenId, TemplateId};
use tokio::sync::watch;

use super::memory::Writing;
use super::messages::{User, accept, cancel, claim, explain, read, resolve, settle};
use super::webhooks::{deliveries, expiring, replay};
use super::{
    SqliteStore, apps, events, keys, lanes, permits, prune, reach, rows, templates, tokens, users, webhooks,
};
use crate::types::{
    Accepted, Acquired, AppChange, AppChanged, AppRecord, Applied, ApplyOrder, Backlog, CallbackStatus,
    Cancelled, ClaimBatch, Delivery, DeliveryReport, DeliveryView, Epoch, EventFilter, EventView,
    ExpiringOrder, ExpiringStep, Feed, GatewayTokenRecord, Granted, KeyRecord, LoginRecord, MessageDetail,
    MessageFilter, MessageView, NewEvent, NewMessage, NewPermit, OpenEvents, Page, PauseOrder, PermitView,
    ProbeCursor, Probing, PruneCursor, PruneOrder, Pruned, Reach, Received, ReplayOrder, Replayed,
    ResolveOrder, Resolved, SessionRecord, Settled, Settlement, TemplateChange, TemplateRecord, TokenRecord,
    WebhookChange, WebhookRecord, WebhookStanding, WebhookStart,
};
use crate::{Result, Store};

/// So long a commit that succeeded says that the next one will.
const TRUSTED: Duration = Duration::from_secs(5);

#[async_trait]
impl Store for SqliteStore {
    async fn accept(&self, messages: Vec<NewMessage>) -> Result<Vec<Accepted>> {
        self.write("accept messages", move |db| accept::accept(db, &messages)).await
    }

    async fn claim(
        &self,
        lane: Lane,
        epoch: Epoch,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Option<ClaimBatch>> {
        self.write("claim due messages", move |tx| claim::claim(tx, lane, epoch, now, limit)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>> {
        self.write("settle attempts", move |db| settle::settle(db, &settlements)).await
    }

    async fn acquire(&self, lane: Lane, node: &str, now: UnixMillis) -> Result<Acquired> {
        let node = node.to_owned();
        self.write("acquire a lane", move |tx| lanes::acquire(tx, lane, &node, now)).await
    }

    async fn release(&self, lane: Lane, epoch: Epoch) -> Result<bool> {
        self.write("release a lane", move |tx| lanes::release(tx, lane, epoch)).await
    }

    async fn cancel(&self, id: MessageId, now: UnixMillis) -> Result<Cancelled> {
        self.write("cancel a message", move |db| cancel::cancel(db, id, now)).await
    }

    async fn resolve(&self, order: ResolveOrder) -> Result<Resolved> {
        self.write("resolve a message", move |db| resolve::resolve(db, &order)).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageDetail>> {
        self.read("read a message", move |db| read::message(db, id)).await
    }

    async fn explain(&self, id: MessageId, now: UnixMillis) -> Result<Vec<Because>> {
        self.read_for_people("explain a message", move |db| explain::explain(db, id, now)).await
    }

    async fn message_views(&self, ids: Vec<MessageId>) -> Result<Vec<Option<MessageView>>> {
        self.read("read messages", move |db| read::views(db, &ids)).await
    }

    async fn messages(&self, filter: MessageFilter) -> Result<Page<MessageView, MessageId>> {
        self.read_for_people("list messages", move |db| read::messages(db, &filter)).await
    }

    async fn grant(&self, permits: Vec<NewPermit>, now: UnixMillis) -> Result<Vec<Granted>> {
        self.write("grant permits", move |db| permits::grant(db, &permits, now)).await
    }

    async fn permits(&self, appid: AppId, openid: OpenId, now: UnixMillis) -> Result<Vec<PermitView>> {
        let user = User::of(&appid, &openid);
        self.read_for_people("list permits", move |db| permits::permits_of(db, &user, now)).await
    }

    async fn reach(
        &self,
        appid: AppId,
        template: Option<TemplateId>,
        kind: Option<PermitKind>,
        now: UnixMillis,
    ) -> Result<Reach> {
        self.read_for_people("count who can be reached", move |db| {
            reach::reach(db, &appid, template.as_ref(), kind, now)
        })
        .await
    }

    async fn add_app(&self, app: AppRecord) -> Result<bool> {
        self.write("add an app", move |db| apps::add(db, &app)).await
    }

    async fn change_app(
        &self,
        appid: AppId,
        version: u64,
        change: AppChange,
        now: UnixMillis,
    ) -> Result<AppChanged> {
        self.write("change an app", move |tx| apps::alter(tx, &appid, version, &change, now)).await
    }

    async fn remove_app(&self, appid: AppId, now: UnixMillis) -> Result<bool> {
        self.write("remove an app", move |db| apps::remove(db, &appid, now)).await
    }

    async fn apps(&self) -> Result<Vec<AppRecord>> {
        self.read("list apps", apps::all).await
    }

    async fn app(&self, appid: AppId) -> Result<Option<AppRecord>> {
        self.read("read an app", move |db| apps::find(db, &appid)).await
    }

    async fn pause(&self, order: PauseOrder) -> Result<()> {
        self.write("pause an app", move |db| apps::pause(db, &order)).await
    }

    async fn resume(&self, appid: AppId, now: UnixMillis) -> Result<bool> {
        self.write("resume an app", move |db| apps::resume(db, &appid, now)).await
    }

    async fn probe(&self, appid: AppId, after: Option<ProbeCursor>, now: UnixMillis) -> Result<Probing> {
        self.write("look for a probe", move |db| apps::probe(db, &appid, after.as_ref(), now)).await
    }

    async fn put_templates(
        &self,
        appid: AppId,
        templates: Vec<TemplateRecord>,
        now: UnixMillis,
    ) -> Result<Vec<TemplateChange>> {
        self.write("keep an app's templates", move |db| templates::put(db, &appid, &templates, now)).await
    }

    async fn all_templates(&self) -> Result<Vec<TemplateRecord>> {
        self.read("list the templates of all apps", templates::all).await
    }

    async fn templates(&self, appid: AppId) -> Result<Vec<TemplateRecord>> {
        self.read("list templates", move |db| templates::of(db, &appid)).await
    }

    async fn put_token(&self, token: TokenRecord) -> Result<bool> {
        self.write("keep an access token", move |db| tokens::put(db, &token)).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>> {
        self.read("read all access tokens", tokens::all).await
    }

    async fn token(&self, appid: AppId) -> Result<Option<TokenRecord>> {
        self.read("read an access token", move |db| tokens::of(db, &appid)).await
    }

    async fn put_gateway_token(&self, token: GatewayTokenRecord) -> Result<()> {
        self.write("keep a gateway token", move |db| tokens::put_gateway(db, &token)).await
    }

    async fn gateway_token(&self, hash: [u8; 32], now: UnixMillis) -> Result<Option<GatewayTokenRecord>> {
        self.read("read a gateway token", move |db| tokens::gateway(db, hash, now)).await
    }

    async fn gateway_tokens(
        &self,
        appid: AppId,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<GatewayTokenRecord>> {
        self.read_for_people("list gateway tokens", move |db| tokens::gateway_of(db, &appid, now, limit))
            .await
    }

    async fn gateway_token_used(&self, hash: [u8; 32], now: UnixMillis) -> Result<()> {
        self.write("note the use of a gateway token", move |db| tokens::gateway_used(db, hash, now)).await
    }

    async fn revoke_gateway_tokens(&self, appid: AppId, id: Option<TokenId>, now: UnixMillis) -> Result<u64> {
        self.write("revoke gateway tokens", move |db| tokens::revoke_gateway(db, &appid, id, now)).await
    }

    async fn put_login(&self, login: LoginRecord) -> Result<()> {
        self.write("keep a login", move |db| users::put_login(db, &login)).await
    }

    async fn session(&self, lane: Lane, hash: [u8; 32], now: UnixMillis) -> Result<Option<SessionRecord>> {
        self.read("read a session", move |db| users::session(db, lane, hash, now)).await
    }

    async fn session_keys(&self, appid: AppId, openid: OpenId) -> Result<Vec<Vec<u8>>> {
        let user = User::of(&appid, &openid);
        self.read("read session keys", move |db| users::session_keys(db, &user)).await
    }

    async fn receive_event(&self, event: NewEvent) -> Result<Received> {
        self.write("receive an event", move |tx| events::receive(tx, &event)).await
    }

    async fn open_events(&self, lane: Lane, now: UnixMillis, limit: u32) -> Result<OpenEvents> {
        self.read("look for events to work on", move |db| events::open(db, lane, now, limit)).await
    }

    async fn apply_event(&self, order: ApplyOrder) -> Result<Option<Applied>> {
        self.write("apply an event", move |tx| events::apply(tx, &order)).await
    }

    async fn events(&self, filter: EventFilter) -> Result<Page<EventView, EventId>> {
        self.read_for_people("list events", move |db| events::list(db, &filter)).await
    }

    async fn callback_verified(&self, appid: AppId, now: UnixMillis) -> Result<()> {
        self.write("keep a check of a callback", move |tx| events::verified(tx, &appid, now)).await
    }

    async fn callback_status(&self, appid: AppId) -> Result<CallbackStatus> {
        self.read("read what was heard of a callback", move |db| events::status(db, &appid)).await
    }

    async fn callback_statuses(&self) -> Result<Vec<(AppId, CallbackStatus)>> {
        self.read("read what was heard of callbacks", events::statuses).await
    }

    async fn add_key(&self, key: KeyRecord) -> Result<()> {
        self.write("keep an API key", move |db| keys::add(db, &key)).await
    }

    async fn key(&self, hash: [u8; 32]) -> Result<Option<KeyRecord>> {
        self.read("read an API key", move |db| keys::by_hash(db, hash)).await
    }

    async fn keys(&self) -> Result<Vec<KeyRecord>> {
        self.read_for_people("list API keys", keys::all).await
    }

    async fn revoke_key(&self, id: KeyId, now: UnixMillis) -> Result<bool> {
        self.write("revoke an API key", move |db| keys::revoke(db, id, now)).await
    }

    async fn add_webhook(&self, webhook: WebhookRecord) -> Result<bool> {
        self.write("add a webhook", move |tx| webhooks::add(tx, &webhook)).await
    }

    async fn change_webhook(
        &self,
        id: WebhookId,
        change: WebhookChange,
        now: UnixMillis,
    ) -> Result<Option<WebhookRecord>> {
        self.write("change a webhook", move |tx| webhooks::alter(tx, id, &change, now)).await
    }

    async fn remove_webhook(&self, id: WebhookId) -> Result<bool> {
        self.write("remove a webhook", move |tx| webhooks::remove(tx, id)).await
    }

    async fn webhooks(&self) -> Result<Vec<WebhookStart>> {
        self.read("list webhooks", webhooks::all).await
    }

    async fn webhook_start(&self, id: WebhookId) -> Result<Option<WebhookStart>> {
        self.read("read a webhook", move |db| webhooks::start(db, id)).await
    }

    async fn feed(&self, id: WebhookId, after: i64, limit: u32) -> Result<Feed> {
        self.read("read events", move |db| deliveries::feed(db, id, after, limit)).await
    }

    async fn due_deliveries(&self, id: WebhookId, now: UnixMillis, limit: u32) -> Result<Vec<Delivery>> {
        self.read("read due deliveries", move |db| deliveries::due(db, id, now, limit)).await
    }

    async fn next_delivery_at(&self, id: WebhookId) -> Result<Option<UnixMillis>> {
        self.read("find the next delivery", move |db| deliveries::next_at(db, id)).await
    }

    async fn settle_deliveries(&self, report: DeliveryReport) -> Result<Option<WebhookStanding>> {
        self.write("settle deliveries", move |tx| deliveries::settle(tx, &report)).await
    }

    async fn replay(&self, id: WebhookId, order: ReplayOrder, now: UnixMillis) -> Result<Replayed> {
        self.write("replay events", move |tx| replay::replay(tx, id, &order, now)).await
    }

    async fn test_webhook(&self, id: WebhookId, now: UnixMillis) -> Result<Option<WebhookEventId>> {
        self.write("test a webhook", move |tx| replay::test(tx, id, now)).await
    }

    async fn deliveries(
        &self,
        id: WebhookId,
        before: Option<WebhookEventId>,
        limit: u32,
    ) -> Result<Vec<DeliveryView>> {
        self.read_for_people("list deliveries", move |db| deliveries::list(db, id, before, limit)).await
    }

    async fn webhook(&self, id: WebhookId) -> Result<Option<(WebhookRecord, Backlog)>> {
        self.read_for_people("read a webhook", move |db| deliveries::with_backlog(db, id)).await
    }

    fn verbs_per_commit(&self) -> f32 {
        self.crowd.verbs_per_commit()
    }

    async fn tell_expiring(&self, order: ExpiringOrder) -> Result<ExpiringStep> {
        match self.read("look for what expires soon", move |db| expiring::look(db, &order)).await? {
            Ok(found) => {
                self.write("tell what expires soon", move |tx| expiring::tell(tx, &order, &found)).await
            }
            Err(answer) => Ok(answer),
        }
    }

    fn webhook_events(&self) -> watch::Receiver<i64> {
        self.watch_events()
    }

    async fn prune(&self, cursor: PruneCursor, order: PruneOrder) -> Result<Pruned> {
        let from = cursor.clone();
        let picked = self.read("look for what is old", move |db| prune::pick(db, &from, &order)).await?;
        if picked.is_nothing() {
            return Ok(picked.unchanged());
        }
        self.write("remove what is old", move |db| prune::remove(db, &cursor, &order, &picked)).await
    }

    async fn ping(&self) -> Result<()> {
        let read = |db: &rusqlite::Connection| {
            rows::one(db, "SELECT beats FROM heartbeat", [], |cells| cells.raw::<i64>())
        };
        self.read("answer a health check", read).await?;
        if self.crowd.has_committed_within(TRUSTED) {
            return Ok(());
        }
        let write = |tx: &Writing<'_>| rows::change(tx, "UPDATE heartbeat SET beats = beats + 1", []);
        self.write("answer a health check", write).await?;
        Ok(())
    }

    async fn close(&self) {
        self.shut().await;
    }
}
