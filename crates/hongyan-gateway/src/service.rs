//! Starts and stops the gateway: opens the store, recovers the state of the last process, starts the parts.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hongyan_clock::Clock;
use hongyan_ledger::ids::IdMaker;
use hongyan_store::Store;
use hongyan_store::types::Node;
use hongyan_wechat::{AppId, Client, ClientConfig};
use tokio::sync::mpsc;

use crate::apps::{Apps, AppsOptions};
use crate::callbacks::refusals::Refusals;
use crate::callers::Callers;
use crate::config::Settings;
use crate::context::{Context, Parts};
use crate::dispatch::Dispatch;
use crate::door::limits::Limits;
use crate::door::outgoing::Outgoing;
use crate::door::rates::Rates;
use crate::door::{Door, Listeners, Rules};
use crate::error::GatewayError;
use crate::gateway_tokens::GatewayTokens;
use crate::health::Health;
use crate::intake::Intake;
use crate::job::Done;
use crate::keys::Keys;
use crate::lanes::{LaneChanges, Lanes};
use crate::opening::{self, look_at_the_database, open_vault};
use crate::people::{Sessions, UserHeader};
use crate::quotas::Quotas;
use crate::report::Report;
use crate::retention::Retention;
use crate::secret_cache::Revocations;
use crate::settle::Settler;
use crate::setup::{Applier, Setup};
use crate::signals::SignalHandler;
use crate::slots::Slots;
use crate::state::owned::Owned;
use crate::state::silence::Silence;
use crate::state::timers::Timers;
use crate::stop::Stop;
use crate::task::Tasks;
use crate::traces::Traces;
use crate::vault::Vault;
use crate::{api, callbacks, facade, random, webhooks};

mod parts;

/// A running gateway.
pub struct Gateway {
    context: Context,
    /// Further routes: pages for people.
    pages: Router,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// The gateway opened the store, so it closes the store.
    closes_store: bool,
}

impl Gateway {
    /// Opens the store of the settings.
    ///
    /// # Errors
    /// When the data directory or the database cannot be used.
    pub fn open_store(settings: &Settings) -> Result<Arc<dyn Store>, GatewayError> {
        opening::open_store(settings)
    }

    /// The copy that [`Gateway::open_store`] makes of this database before it upgrades the schema.
    pub fn copy_before_upgrade(database: &Path) -> PathBuf {
        opening::copy_before_upgrade(database)
    }

    /// Opens the database and starts everything but the HTTP listener. On return, the state of the last process is recovered
    /// and messages are being sent.
    ///
    /// # Errors
    /// When a setting is wrong or the store fails.
    pub async fn start(settings: Settings, clock: Clock) -> Result<Self, GatewayError> {
        // Before the database is opened: a wrong entry must not upgrade it.
        let setup = Setup::read(&settings)?;
        look_at_the_database(&settings)?;
        let store = Self::open_store(&settings)?;
        // An SQLite database is locked by the process that serves it, so no other node can be alive and no lease needs to
        // expire.
        store.forget_nodes().await?;
        let mut gateway = Self::start_with(&setup, store, settings, clock, Clock::system()).await?;
        gateway.closes_store = true;
        Ok(gateway)
    }

    /// Starts everything but the HTTP listener on a store that several nodes may share, each with its own `node_id`. The
    /// caller opened the store and closes it. `machine`: the clock that measures leases.
    ///
    /// # Errors
    /// When a setting is wrong or the store fails.
    pub async fn start_on(
        store: Arc<dyn Store>,
        settings: Settings,
        clock: Clock,
        machine: Clock,
    ) -> Result<Self, GatewayError> {
        let setup = Setup::read(&settings)?;
        Self::start_with(&setup, store, settings, clock, machine).await
    }

    async fn start_with(
        setup: &Setup,
        store: Arc<dyn Store>,
        settings: Settings,
        clock: Clock,
        machine: Clock,
    ) -> Result<Self, GatewayError> {
        let core = Core::load(store, settings, clock, machine).await?;
        let applier = Applier {
            store: Arc::clone(&core.store),
            apps: core.apps.clone(),
            vault: Arc::clone(&core.vault),
            clock: core.clock.clone(),
            ids: Arc::clone(&core.ids),
        };
        let unread = applier.apply(setup).await?;
        let (lanes, outcomes) = core.lanes();
        let recovered = lanes.join().await?;
        if recovered > 0 {
            tracing::warn!(
                recovered,
                "messages were in flight when the last process ended; their outcome is unknown"
            );
        }
        core.work(lanes, outcomes, unread)
    }

    /// The parts that handlers use.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// All routes.
    pub fn router(&self) -> Router {
        api::router(self.context.clone())
            .merge(facade::router(self.context.clone()))
            .merge(callbacks::router(self.context.clone()))
            .merge(self.pages.clone())
    }

    /// Also serves these pages. The limits of the gateway's door apply to them too.
    #[must_use]
    pub fn with_pages(mut self, pages: Router) -> Self {
        self.pages = pages;
        self
    }

    /// The routes of the listener for health and metrics.
    fn admin_router(&self) -> Router {
        api::admin_router(self.context.clone())
    }

    /// Serves HTTP until `stop` resolves, and for `stop_delay_seconds` more. Then ends the requests under way, sends the
    /// messages in flight, and closes the store.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        self,
        listeners: impl Into<Listeners>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), GatewayError> {
        let Parts { settings, stop: signal, limits, rates, traces, .. } = &*self.context;
        let (drain, delay) =
            (Duration::from_secs(settings.drain_seconds), Duration::from_secs(settings.stop_delay_seconds));
        let rules = Rules { settings, stop: signal, limits, rates, traces };
        let door = Door::open(&rules, listeners.into(), &self.router(), self.admin_router());
        stop.await;
        signal.announce();
        if !delay.is_zero() {
            tracing::info!(
                seconds = delay.as_secs(),
                "stopping: readiness is off, requests are still served for a while"
            );
            tokio::time::sleep(delay).await;
        }
        signal.stop();
        door.close(drain).await;
        self.close(drain).await;
        Ok(())
    }

    /// Stops all parts: starts nothing new, settles messages in flight (for at most `drain`), and closes the store.
    pub async fn close(self, drain: Duration) {
        self.context.stop.stop();
        let all = async {
            for task in self.tasks {
                // A panic of a part has been reported already.
                let _ = task.await;
            }
        };
        if tokio::time::timeout(drain, all).await.is_err() {
            tracing::warn!(
                in_flight = self.context.slots.taken(),
                "messages are still in flight; the next start treats them as unanswered"
            );
        }
        self.context.lanes.leave().await;
        self.context.traces.close().await;
        if self.closes_store {
            self.context.store.close().await;
        }
    }
}

/// The base of all parts: the store, the clients, the lanes of this node.
struct Core {
    settings: Settings,
    store: Arc<dyn Store>,
    clock: Clock,
    machine: Clock,
    node: Node,
    vault: Arc<Vault>,
    wechat: Client,
    apps: Apps,
    ids: Arc<IdMaker>,
    report: Report,
    limits: Limits,
    traces: Traces,
    stop: Stop,
    slots: Slots,
    owned: Owned,
    timers: Timers,
    event_timers: Timers,
    silence: Silence,
    lane_changes: LaneChanges,
    revocations: Revocations,
    webhook_changes: webhooks::Changes,
}

impl Core {
    /// Loads the stored state, and begins to receive signals of commits.
    async fn load(
        store: Arc<dyn Store>,
        settings: Settings,
        clock: Clock,
        machine: Clock,
    ) -> Result<Self, GatewayError> {
        let vault = open_vault(&*store, &settings).await?;
        let wechat = Client::new(ClientConfig {
            proxy: settings.wechat_proxy.clone(),
            connect_timeout: Duration::from_millis(settings.connect_timeout_ms),
            answer_timeout: Duration::from_millis(settings.answer_timeout_ms),
            max_idle: settings.connections as usize,
            ..ClientConfig::new(settings.wechat_base_url.clone())
        })?;
        let node = Node { name: settings.node_id.as_str().into(), incarnation: random::number() };
        let options = AppsOptions::of(&settings, &node.name, &machine);
        let apps = Apps::load(Arc::clone(&store), Arc::clone(&vault), wechat.clone(), clock.clone(), options)
            .await?;
        let (report, silence) = (Report::new(), Silence::default());
        // The gateway did not receive pushes before this start.
        silence.may_have_missed(clock.now());
        let limits = Limits::new(&report);
        let core = Self {
            traces: Traces::start(&settings, &limits).map_err(GatewayError::Traces)?,
            limits,
            slots: Slots::new(settings.max_in_flight),
            owned: Owned::new(machine.clone()),
            ids: Arc::default(),
            stop: Stop::default(),
            timers: Timers::default(),
            event_timers: Timers::default(),
            lane_changes: LaneChanges::default(),
            revocations: Revocations::default(),
            webhook_changes: webhooks::Changes::default(),
            settings,
            store,
            clock,
            machine,
            node,
            vault,
            wechat,
            apps,
            report,
            silence,
        };
        // Before anything is written, so that no signal of a commit is missed.
        core.store.listen(Arc::new(SignalHandler {
            timers: core.timers.clone(),
            event_timers: core.event_timers.clone(),
            owned: core.owned.clone(),
            lanes: core.lane_changes.clone(),
            revoked: core.revocations.clone(),
            report: core.report.clone(),
            apps: core.apps.clone(),
            webhooks: core.webhook_changes.clone(),
        }));
        Ok(core)
    }

    /// The parts that acquire lanes, settle messages in flight, and send.
    fn lanes(&self) -> (Lanes, Sending) {
        // The capacity is the most messages in flight, so a worker never waits to pass on an outcome.
        let (done, outcomes) = mpsc::channel(self.settings.max_in_flight as usize);
        let dispatch = Dispatch::start(
            self.settings.connections,
            self.slots.clone(),
            &self.owned,
            &self.apps,
            &self.wechat,
            &self.traces,
            &done,
        );
        let settler = Settler {
            store: Arc::clone(&self.store),
            apps: self.apps.clone(),
            clock: self.clock.clone(),
            timers: self.timers.clone(),
            owned: self.owned.clone(),
            report: self.report.clone(),
            stop: self.stop.clone(),
            silence: self.silence.clone(),
        };
        let lanes = Lanes {
            store: Arc::clone(&self.store),
            node: self.node.clone(),
            ttl: Duration::from_secs(self.settings.lease_seconds),
            machine: self.machine.clone(),
            clock: self.clock.clone(),
            owned: self.owned.clone(),
            timers: self.timers.clone(),
            event_timers: self.event_timers.clone(),
            settler: settler.clone(),
            changes: self.lane_changes.clone(),
        };
        (lanes, Sending { settler, dispatch, outcomes })
    }

    /// Starts all parts. The templates of the apps in `unread` are read first.
    fn work(self, lanes: Lanes, sending: Sending, unread: Vec<AppId>) -> Result<Gateway, GatewayError> {
        let Sending { settler, dispatch, outcomes } = sending;
        let mut tasks = Tasks { stop: self.stop.clone(), running: Vec::new() };
        tasks.spawn(|stop| lanes.clone().run(stop));
        tasks.spawn(|_| settler.run(outcomes, dispatch.clone()));
        tasks.spawn(|stop| self.scheduler(&dispatch).run(stop));
        let intake = Intake {
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            ids: Arc::clone(&self.ids),
            timers: self.timers.clone(),
            owned: self.owned.clone(),
            dispatch,
            stop: self.stop.clone(),
            traces: self.traces.clone(),
        };
        self.keep_apps(&mut tasks, unread);
        self.work_on_callbacks(&mut tasks, &intake);
        let webhook_rules = self.tell_webhooks(&mut tasks)?;
        let (retention, retained_at) = Retention::new(
            Arc::clone(&self.store),
            self.clock.clone(),
            self.report.clone(),
            self.settings.retention_days,
            self.settings.audit_retention_days,
            self.owned.clone(),
        );
        tasks.spawn(|stop| retention.run(stop));
        let (clock, revocations) = (self.clock.clone(), self.revocations.clone());
        let gateway_tokens = GatewayTokens::new(
            Arc::clone(&self.store),
            clock.clone(),
            Arc::clone(&self.ids),
            revocations.clone(),
        );
        let parts = Parts {
            health: Health::new(Arc::clone(&self.store)),
            keys: Keys::new(Arc::clone(&self.store), clock.clone(), revocations),
            callers: Callers::new(Arc::clone(&self.store)),
            sessions: Sessions::new(Arc::clone(&self.store), Arc::clone(&self.vault), clock),
            user_header: UserHeader::new(&self.settings),
            gateway_tokens,
            vault: self.vault,
            ids: self.ids,
            quotas: Quotas::new(self.apps.clone()),
            apps: self.apps,
            wechat: self.wechat,
            intake,
            silence: self.silence,
            push_refusals: Refusals::default(),
            lanes,
            report: self.report,
            webhook_rules,
            retained_at,
            slots: self.slots,
            outgoing: Outgoing::new(self.settings.wechat_calls, self.limits.clone()),
            rates: Arc::new(Rates::new(&self.settings, self.clock.clone(), self.limits.clone())),
            settings: self.settings,
            store: self.store,
            clock: self.clock,
            limits: self.limits,
            traces: self.traces,
            stop: self.stop,
        };
        Ok(Gateway {
            context: Context(Arc::new(parts)),
            pages: Router::new(),
            tasks: tasks.running,
            closes_store: false,
        })
    }
}

/// The parts that send, before they are started.
struct Sending {
    settler: Settler,
    dispatch: Dispatch,
    outcomes: mpsc::Receiver<Done>,
}
