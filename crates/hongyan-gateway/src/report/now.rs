//! The metrics that are not counted as they happen, but read at each scrape.
//!
//! Their families live for one scrape, so the label values of one scrape do not stay for the next: a removed app disappears.

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::MessageState;
use hongyan_ledger::settle::PauseCode;
use hongyan_store::types::{OpenMessages, TemplateChangeKind};
use hongyan_wechat::AppId;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use rustix::fs::statvfs;

use super::attempts::{OUTCOMES, OfApp};
use super::process::Process;

/// The states of open messages.
const OPEN_STATES: [MessageState; 5] = [
    MessageState::Scheduled,
    MessageState::Ready,
    MessageState::Waiting,
    MessageState::Sending,
    MessageState::Unknown,
];

/// Values that are read at each scrape.
#[derive(Debug)]
pub struct Now {
    /// The time.
    pub at: UnixMillis,
    /// The registered apps.
    pub apps: Vec<AppNow>,
    /// The open messages of all apps; `None`: another node counts the messages, or their count is not known.
    pub open: Option<Vec<OpenMessages>>,
    /// Messages that are being sent.
    pub in_flight: u32,
    /// The number of changed templates since the start, by kind of change. The synchronisation counts them.
    pub template_changes: Vec<(TemplateChangeKind, u64)>,
    /// Events that enabled webhooks have not received yet.
    pub pending: u32,
    /// How long the oldest of these events has waited.
    pub oldest_pending: Duration,
    /// See [`hongyan_store::Store::verbs_per_commit`].
    pub verbs_per_commit: f32,
    /// The files of the database.
    pub disk: Option<Disk>,
    /// When `hongyan backup` made the last backup; `None`: this is not known.
    pub last_backup: Option<UnixMillis>,
}

/// An app at a scrape.
#[derive(Debug)]
pub struct AppNow {
    /// The app.
    pub appid: AppId,
    /// The pause in force.
    pub paused: Option<PauseCode>,
    /// How long WeChat will still accept the app's access token; `None`: this node has no token of the app.
    pub token_expires: Option<Duration>,
}

/// The files of the database, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Disk {
    /// The database itself.
    pub database: u64,
    /// Its write-ahead log.
    pub log: u64,
    /// What can still be written in their directory.
    pub free: u64,
}

impl Disk {
    /// The files of an SQLite database at this path; `None`: they cannot be read.
    pub(crate) fn of(database: &Path) -> Option<Self> {
        let directory = database.parent().filter(|parent| !parent.as_os_str().is_empty());
        let space = statvfs(directory.unwrap_or(Path::new("."))).ok()?;
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        Some(Self {
            database: fs::metadata(database).ok()?.len(),
            log: fs::metadata(log).map_or(0, |file| file.len()),
            free: space.f_bavail.saturating_mul(space.f_frsize),
        })
    }
}

type Label = (&'static str, Cow<'static, str>);
type AppGauge<const N: usize> = Family<[Label; N], Gauge>;
type AppSeconds = Family<[Label; 1], Gauge<f64, AtomicU64>>;

fn of_app(appid: &AppId) -> Label {
    ("app", Cow::Owned(appid.to_string()))
}

/// Registers the metrics that are read at each scrape.
pub(super) fn register(
    registry: &mut Registry,
    now: &Now,
    attempts: &[(AppId, OfApp)],
    routes: Vec<(String, u16, u64)>,
) {
    register_attempts(registry, attempts);
    register_apps(registry, now);
    if let Some(open) = &now.open {
        register_open(registry, now, open);
    }
    let requests = Family::<[Label; 2], Counter>::default();
    for (route, status, count) in routes {
        let labels = [("route", route.into()), ("status", status.to_string().into())];
        requests.get_or_create(&labels).inc_by(count);
    }
    registry.register("hongyan_http_requests", "HTTP requests, by route and status of the answer", requests);
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("hongyan_build", "The version of this gateway", version);
    if let Some(disk) = now.disk {
        let bytes = Family::<[Label; 1], Gauge>::default();
        for (file, size) in [("database", disk.database), ("log", disk.log)] {
            bytes.get_or_create(&[("file", file.into())]).set(size as i64);
        }
        registry.register("hongyan_database_bytes", "Size of the database's files", bytes);
        let help = "Bytes that can still be written where the database is";
        registry.register("hongyan_disk_free_bytes", help, ConstGauge::new(disk.free));
    }
    if let Some(at) = now.last_backup {
        let help = "When hongyan backup made the last backup, in Unix seconds";
        registry.register("hongyan_last_backup_timestamp_seconds", help, ConstGauge::new(at.as_seconds()));
    }
    if let Some(process) = Process::read() {
        register_process(registry, &process);
    }
}

fn register_attempts(registry: &mut Registry, attempts: &[(AppId, OfApp)]) {
    let by_outcome = Family::<[Label; 2], Counter>::default();
    let by_errcode = Family::<[Label; 2], Counter>::default();
    for (appid, counts) in attempts {
        for (outcome, count) in OUTCOMES.into_iter().zip(counts.outcomes) {
            by_outcome.get_or_create(&[of_app(appid), ("outcome", outcome.into())]).inc_by(count);
        }
        for (errcode, count) in &counts.errcodes {
            let errcode = errcode.map_or("other".into(), |errcode| errcode.to_string().into());
            by_errcode.get_or_create(&[of_app(appid), ("errcode", errcode)]).inc_by(*count);
        }
    }
    registry.register("hongyan_attempts", "Requests to WeChat, by app and outcome", by_outcome);
    let help = "Answers of WeChat to sends other than 0, by app and errcode";
    registry.register("hongyan_attempt_errcodes", help, by_errcode);
}

fn register_apps(registry: &mut Registry, now: &Now) {
    let (paused, tokens) = (AppGauge::<2>::default(), AppSeconds::default());
    for app in &now.apps {
        for code in PauseCode::ALL {
            let labels = [of_app(&app.appid), ("reason", code.name().into())];
            paused.get_or_create(&labels).set(i64::from(app.paused == Some(code)));
        }
        if let Some(left) = app.token_expires {
            tokens.get_or_create(&[of_app(&app.appid)]).set(left.as_secs_f64());
        }
    }
    registry.register("hongyan_app_paused", "Whether the app sends nothing now, by reason", paused);
    let help = "Seconds until the app's access token expires";
    registry.register("hongyan_token_expires_seconds", help, tokens);
}

fn register_open(registry: &mut Registry, now: &Now, open: &[OpenMessages]) {
    let (messages, oldest) = (AppGauge::<2>::default(), AppSeconds::default());
    for AppNow { appid, .. } in &now.apps {
        let of_this = || open.iter().filter(|open| open.appid == *appid);
        for state in OPEN_STATES {
            let count: u64 = of_this().filter(|open| open.state == state).map(|open| open.count).sum();
            messages.get_or_create(&[of_app(appid), ("state", state.name().into())]).set(count as i64);
        }
        // A waiting message waits for its user, and an unknown message for an operator, so neither is late. A message that
        // is being sent is not late either: many messages that are sent again would look like a gateway that cannot keep up.
        let is_due =
            |open: &&OpenMessages| matches!(open.state, MessageState::Scheduled | MessageState::Ready);
        let late = of_this().filter(is_due).map(|open| now.at.since(open.oldest_due_at)).max();
        oldest.get_or_create(&[of_app(appid)]).set(late.unwrap_or_default().as_secs_f64());
    }
    registry.register("hongyan_open_messages", "Messages that are stored and not ended, by state", messages);
    let help = "How long the oldest message that should go out has been due";
    registry.register("hongyan_oldest_due_seconds", help, oldest);
}

fn register_process(registry: &mut Registry, process: &Process) {
    let seconds = ConstCounter::new(process.cpu_seconds);
    registry.register("process_cpu_seconds", "Processor time of the process, in seconds", seconds);
    let started_at = ConstGauge::new(process.started_at);
    registry.register("process_start_time_seconds", "When the process started, in Unix seconds", started_at);
    let mut gauge = |name, help, value| registry.register(name, help, ConstGauge::new(value));
    gauge("process_resident_memory_bytes", "Memory that the process uses", process.resident);
    gauge("process_virtual_memory_bytes", "Address space of the process", process.address_space);
    gauge("process_threads", "Threads of the process", process.threads);
    gauge("process_open_fds", "Open file descriptors", process.open_fds);
    if let Some(limit) = process.max_fds {
        gauge("process_max_fds", "The most file descriptors that may be open", limit);
    }
}
