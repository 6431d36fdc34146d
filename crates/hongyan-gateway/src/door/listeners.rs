//! The listeners of the door: all are opened together and closed together.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::accept::Entrance;
use super::connections::{Connections, Room};
use super::descriptors;
use super::limits::Limits;
use super::marks::tell_route;
use super::rates::Rates;
use super::shared::{Clocks, Shared};
use crate::config::Settings;
use crate::stop::Stop;
use crate::tls::Tls;
use crate::traces::Traces;

/// The most TLS handshakes under way. A handshake costs a connection and computing time.
const MAX_HANDSHAKES: usize = 256;

/// The longest time that an answer may wait for the client to read.
const ANSWER: Duration = Duration::from_secs(30);

/// Connections to `admin_listen`. They have their own places, so that health checks work when all other places are taken.
const ADMIN_CONNECTIONS: usize = 16;

/// The listeners for requests.
pub struct Listeners {
    /// HTTP.
    pub plain: TcpListener,
    /// HTTPS.
    pub tls: Option<(TcpListener, Arc<Tls>)>,
    /// HTTP, for health and metrics only.
    pub admin: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(plain: TcpListener) -> Self {
        Self { plain, tls: None, admin: None }
    }
}

/// What the door goes by.
pub(crate) struct Rules<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) stop: &'a Stop,
    pub(crate) limits: &'a Limits,
    pub(crate) rates: &'a Arc<Rates>,
    pub(crate) traces: &'a Traces,
}

/// An open door.
pub(crate) struct Door {
    connections: Connections,
    admin_connections: Connections,
    entrances: Vec<JoinHandle<()>>,
    /// Closed when the last connection has ended.
    open: watch::Sender<()>,
}

impl Door {
    /// Accepts connections on all listeners until `stop`. `router` serves the requests; `admin` serves those that come
    /// through the listener for health and metrics.
    pub(crate) fn open(rules: &Rules<'_>, listeners: Listeners, router: &Router, admin: Router) -> Self {
        let Rules { settings, stop, limits, rates, traces } = *rules;
        let shared = Arc::new(Shared {
            stop: stop.clone(),
            limits: limits.clone(),
            rates: Arc::clone(rates),
            clocks: Clocks {
                header: Duration::from_secs(settings.header_seconds),
                body: Duration::from_secs(settings.body_seconds),
                idle: Duration::from_secs(settings.idle_seconds),
                answer: ANSWER,
            },
            hosts: settings.hosts.clone(),
            trusted_proxies: settings.trusted_proxies.clone(),
            traces: traces.clone(),
        });
        let places = descriptors::connections(settings);
        let room = Room {
            connections: places,
            per_address: settings.max_connections_per_address as usize,
            // Half of the places at most, so that handshakes do not keep out connections that have finished theirs.
            handshakes: (places / 2).clamp(1, MAX_HANDSHAKES),
        };
        let connections = Connections::new(room, limits.clone());
        let admin_room = Room { connections: ADMIN_CONNECTIONS, per_address: 0, handshakes: 1 };
        let admin_connections = Connections::new(admin_room, limits.clone());
        let (open, is_open) = watch::channel(());
        let entrance = |listener, tls, router, connections: &Connections| {
            let (connections, shared, open) = (connections.clone(), Arc::clone(&shared), is_open.clone());
            tokio::spawn(Entrance { listener, tls, router, connections, shared, open }.run())
        };
        let Listeners { plain, tls, admin: admin_listener } = listeners;
        let [router, admin] = [router.clone(), admin].map(|router| router.layer(from_fn(tell_route)));
        let mut entrances = vec![entrance(plain, None, router.clone(), &connections)];
        if let Some((listener, tls)) = tls {
            entrances.push(tokio::spawn({
                let tls = Arc::clone(&tls);
                let stop = stop.clone();
                async move {
                    tokio::select! {
                        () = tls.keep_current() => {}
                        () = stop.stopping() => {}
                    }
                }
            }));
            entrances.push(entrance(listener, Some(tls), router.clone(), &connections));
        }
        if let Some(listener) = admin_listener {
            entrances.push(entrance(listener, None, admin, &admin_connections));
        }
        Self { connections, admin_connections, entrances, open }
    }

    /// After the stop: lets requests under way end, and closes the remaining connections after `patience`.
    pub(crate) async fn close(self, patience: Duration) {
        for entrance in self.entrances {
            // A panic of the task has been reported already.
            let _ = entrance.await;
        }
        if tokio::time::timeout(patience, self.open.closed()).await.is_err() {
            tracing::warn!("some requests did not end in time; closing their connections");
            self.connections.close_all();
            self.admin_connections.close_all();
        }
    }
}
