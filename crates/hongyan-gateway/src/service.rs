//! Starts and stops the gateway: opens the store, recovers what the last process left, sets the parts going.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hongyan_clock::Clock;
use hongyan_ledger::ids::IdMaker;
use hongyan_store::sqlite::{self, Depth, Looked, SqliteConfig, SqliteStore};
use hongyan_store::{Store, StoreError};
use hongyan_wechat::{Client, ClientConfig};
use tokio::sync::mpsc;

use crate::apps::{Apps, AppsOptions};
use crate::callbacks::refusals::Refusals;
use crate::callbacks::{EventWorker, SilenceWatch};
use crate::config::{ConfigError, Settings};
use crate::context::{Context, Parts};
use crate::dispatch::{Dispatch, Slots};
use crate::door::limits::Limits;
use crate::door::outgoing::Outgoing;
use crate::door::rates::Rates;
use crate::door::{Door, Listeners};
use crate::error::GatewayError;
use crate::gateway_tokens::GatewayTokens;
use crate::health::Health;
use crate::intake::Intake;
use crate::keys::Keys;
use crate::lanes::Lanes;
use crate::probe::Prober;
use crate::report::Report;
use crate::retention::Retention;
use crate::schedule::Scheduler;
use crate::settle::Settler;
use crate::signals::SignalHandler;
use crate::state::owned::Owned;
use crate::state::silence::Silence;
use crate::state::timers::Timers;
use crate::stop::Stop;
use crate::templates::TemplateSyncer;
use crate::vault::{KeySource, Vault, create_private_dir};
use crate::webhooks::{AddressRules, Expiring, Postmaster};
use crate::{api, callbacks, facade, webhooks};

/// A running gateway.
pub struct Gateway {
    context: Context,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Gateway {
    /// Opens the store that the settings name.
    ///
    /// # Errors
    /// When the data directory or the database cannot be used.
    pub fn open_store(settings: &Settings) -> Result<Arc<dyn Store>, GatewayError> {
        create_private_dir(&settings.data_dir).map_err(|error| GatewayError::DataDir {
            path: settings.data_dir.display().to_string(),
            why: error.to_string(),
        })?;
        let path = settings.sqlite_path()?;
        Ok(Arc::new(SqliteStore::open(SqliteConfig::new(path))?))
    }

    /// Starts everything but the HTTP listener. When this returns, what the last process left has been recovered
    /// and messages are on their way.
    ///
    /// # Errors
    /// When a setting is wrong or the store fails.
    pub async fn start(settings: Settings, clock: Clock) -> Result<Self, GatewayError> {
        look_at_the_database(&settings)?;
        let store = Self::open_store(&settings)?;
        if !Vault::has_key(&settings) && holds_secrets(&*store).await? {
            return Err(ConfigError::no_master_key(&settings).into());
        }
        let (vault, source) = Vault::open(&settings)?;
        if let KeySource::Generated(path) = &source {
            tracing::warn!(
                path = %path.display(),
                "no master_key is configured: a new one was written; keep a copy, without it the stored secrets are lost"
            );
        }
        let vault = Arc::new(vault);
        let wechat = Client::new(ClientConfig {
            proxy: settings.wechat_proxy.clone(),
            connect_timeout: Duration::from_millis(settings.connect_timeout_ms),
            answer_timeout: Duration::from_millis(settings.answer_timeout_ms),
            max_idle: settings.connections as usize,
            ..ClientConfig::new(settings.wechat_base_url.clone())
        })?;
        let options =
            AppsOptions { token_refresh_ahead: Duration::from_secs(settings.token_refresh_ahead_seconds) };
        let apps = Apps::load(Arc::clone(&store), Arc::clone(&vault), wechat.clone(), clock.clone(), options)
            .await?;
        let (timers, report, stop) = (Timers::default(), Report::new(), Stop::default());
        let limits = Limits::new(&report);
        let slots = Slots::new(settings.max_in_flight);
        // As many as can be in flight, so that a worker never waits to hand over an outcome.
        let (done, outcomes) = mpsc::channel(settings.max_in_flight as usize);
        let owned = Owned::default();
        let (ids, silence, event_timers) = (Arc::new(IdMaker::new()), Silence::default(), Timers::default());
        // Nobody listened before.
        silence.may_have_missed(clock.now());
        let dispatch = Dispatch::start(settings.connections, slots.clone(), &owned, &apps, &wechat, &done);
        let settler = Settler {
            store: Arc::clone(&store),
            apps: apps.clone(),
            clock: clock.clone(),
            timers: timers.clone(),
            report: report.clone(),
            stop: stop.clone(),
            silence: silence.clone(),
        };
        let lanes = Lanes {
            store: Arc::clone(&store),
            node: settings.node_id.as_str().into(),
            clock: clock.clone(),
            owned: owned.clone(),
            timers: timers.clone(),
            settler: settler.clone(),
        };
        let changes = webhooks::Changes::default();
        // Before anything is written: nothing that follows from a commit may be missed.
        store.listen(Arc::new(SignalHandler {
            timers: timers.clone(),
            event_timers: event_timers.clone(),
            report: report.clone(),
            apps: apps.clone(),
            webhooks: changes.clone(),
        }));
        let recovered = lanes.acquire_all().await?;
        if recovered > 0 {
            tracing::warn!(
                recovered,
                "messages were in flight when the last process ended; their outcome is unknown"
            );
        }

        let scheduler = Scheduler {
            store: Arc::clone(&store),
            clock: clock.clone(),
            timers: timers.clone(),
            owned: owned.clone(),
            dispatch: dispatch.clone(),
        };
        let (retention, retained_at) = Retention::new(
            Arc::clone(&store),
            clock.clone(),
            report.clone(),
            settings.retention_days,
            settings.audit_retention_days,
        );
        let prober = Prober { store: Arc::clone(&store), apps: apps.clone(), clock: clock.clone() };
        let template_syncer = TemplateSyncer {
            apps: apps.clone(),
            clock: clock.clone(),
            period: Duration::from_secs(settings.template_sync_seconds),
        };
        let webhook_rules = AddressRules {
            allow_http: settings.webhook_allow_http,
            allow_private: settings.webhook_allow_private,
        };
        let postmaster = Postmaster {
            store: Arc::clone(&store),
            vault: Arc::clone(&vault),
            clock: clock.clone(),
            report: report.clone(),
            client: webhooks::Client::new(webhook_rules)?,
            changes: changes.clone(),
            at_once: settings.webhook_connections as usize,
        };
        let expiring = Expiring {
            store: Arc::clone(&store),
            clock: clock.clone(),
            ahead: Duration::from_secs(u64::from(settings.permit_expiring_hours) * 3_600),
            changes,
        };
        let mut tasks = vec![
            tokio::spawn(template_syncer.run(stop.clone())),
            tokio::spawn(postmaster.run(stop.clone())),
            tokio::spawn(expiring.run(stop.clone())),
            tokio::spawn(retention.run(stop.clone())),
            tokio::spawn(settler.run(outcomes, dispatch.clone())),
            tokio::spawn(scheduler.run(stop.clone())),
            tokio::spawn(prober.run(stop.clone())),
            tokio::spawn({
                let (apps, stop) = (apps.clone(), stop.clone());
                async move {
                    tokio::select! {
                        () = apps.clone().keep_fresh() => {}
                        () = apps.keep_current() => {}
                        () = stop.stopping() => {}
                    }
                }
            }),
        ];
        let intake = Intake {
            store: Arc::clone(&store),
            clock: clock.clone(),
            ids: Arc::clone(&ids),
            timers,
            owned,
            dispatch,
            stop: stop.clone(),
        };
        let worker = EventWorker {
            store: Arc::clone(&store),
            apps: apps.clone(),
            clock: clock.clone(),
            ids: Arc::clone(&ids),
            timers: event_timers,
        };
        let watch = SilenceWatch {
            silence: silence.clone(),
            store: Arc::clone(&store),
            apps: apps.clone(),
            intake: intake.clone(),
            clock: clock.clone(),
        };
        tasks.push(tokio::spawn(worker.run(stop.clone())));
        tasks.push(tokio::spawn(watch.run(stop.clone())));
        let keys = Keys::new(Arc::clone(&store), clock.clone());
        let gateway_tokens = GatewayTokens::new(Arc::clone(&store), clock.clone(), Arc::clone(&ids));
        let parts = Parts {
            health: Health::new(Arc::clone(&store)),
            vault,
            ids,
            apps,
            keys,
            gateway_tokens,
            wechat,
            intake,
            silence,
            push_refusals: Refusals::default(),
            lanes,
            report,
            webhook_rules,
            retained_at,
            slots,
            outgoing: Outgoing::new(settings.wechat_calls, limits.clone()),
            rates: Arc::new(Rates::new(&settings, clock.clone(), limits.clone())),
            settings,
            store,
            clock,
            limits,
            stop,
        };
        Ok(Self { context: Context(Arc::new(parts)), tasks })
    }

    /// What the handlers work with.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// All paths.
    pub fn router(&self) -> Router {
        api::router(self.context.clone())
            .merge(facade::router(self.context.clone()))
            .merge(callbacks::router(self.context.clone()))
    }

    /// What the listener for health and metrics answers.
    fn admin_router(&self) -> Router {
        api::admin_router(self.context.clone())
    }

    /// Serves HTTP until `stop` resolves and for `stop_delay_seconds` more; then answers what is under way, sends what is
    /// in flight, and closes.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        self,
        listeners: impl Into<Listeners>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), GatewayError> {
        let Parts { settings, stop: signal, limits, rates, .. } = &*self.context;
        let (drain, delay) =
            (Duration::from_secs(settings.drain_seconds), Duration::from_secs(settings.stop_delay_seconds));
        let door = Door::open(
            settings,
            signal,
            limits,
            rates,
            listeners.into(),
            &self.router(),
            self.admin_router(),
        );
        stop.await;
        signal.announce();
        if !delay.is_zero() {
            tracing::info!(seconds = delay.as_secs(), "stopping: not ready any more, serving on for a while");
            tokio::time::sleep(delay).await;
        }
        signal.stop();
        door.close(drain).await;
        self.close(drain).await;
        Ok(())
    }

    /// Stops all parts: nothing new is started, what is in flight is settled (for at most `drain`), and the store
    /// is closed.
    pub async fn close(self, drain: Duration) {
        self.context.stop.stop();
        let all = async {
            for task in self.tasks {
                // A part that panicked has said so already.
                let _ = task.await;
            }
        };
        if tokio::time::timeout(drain, all).await.is_err() {
            tracing::warn!(
                in_flight = self.context.slots.taken(),
                "messages are still in flight; after the next start they are treated as unanswered"
            );
        }
        self.context.lanes.release_all().await;
        self.context.store.close().await;
    }
}

/// Whether something is stored that only the master key opens which it was sealed with.
async fn holds_secrets(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(!store.apps().await?.is_empty() || !store.webhooks().await?.is_empty())
}

/// Damage is found now, as far as the time of a start allows, and not by the first user whose page is hit.
fn look_at_the_database(settings: &Settings) -> Result<(), GatewayError> {
    let path = settings.sqlite_path()?;
    let is_new = std::fs::metadata(&path).map_or(0, |file| file.len()) == 0;
    if !is_new && sqlite::look(&path, Depth::AtMost(sqlite::AT_A_START), None)? == Looked::InPart {
        tracing::info!(
            "the database is large: a part of it was looked at; `hongyan check` looks at all of it"
        );
    }
    Ok(())
}
