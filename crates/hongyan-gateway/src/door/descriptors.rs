//! Limits of the process: raises the number of file descriptors, reserves some of them, and switches core dumps off.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Settings;

/// Descriptors for the process itself: the database with its log, readers and a backup, listeners, the runtime, the standard
/// streams, a DNS lookup.
const OWN: u64 = 48;

/// Descriptors reserved for connections to webhooks. Webhooks may use more when descriptors are free.
const WEBHOOKS: u64 = 32;

/// The gateway serves at least this many connections, even if calls to WeChat may then lack descriptors.
const LEAST: u64 = 16;

/// Raises the number of descriptors to what the system allows. Called once, at the start of the service.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the limit of file descriptors cannot be raised; the soft limit stays");
    }
}

/// Switches core dumps off, because the memory of the process contains the master key. Called once, at the start of the
/// service.
pub fn without_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps cannot be switched off; a core dump would contain the master key");
    }
}

/// How many connections may be open: the setting, but never so many that calls to WeChat lack descriptors.
pub(super) fn connections(settings: &Settings) -> usize {
    let wanted = u64::from(settings.max_connections);
    let allowed = match getrlimit(Resource::Nofile).current {
        Some(descriptors) => beside_the_outgoing(settings, descriptors),
        None => wanted,
    };
    if allowed < wanted {
        tracing::warn!(
            max_connections = wanted,
            allowed,
            "the process may have too few file descriptors for max_connections, because some are reserved for \
             WeChat, the database and webhooks; raise the limit (ulimit -n, LimitNOFILE) or lower max_connections"
        );
    }
    allowed.min(wanted) as usize
}

/// The descriptors that remain for connections.
fn beside_the_outgoing(settings: &Settings, descriptors: u64) -> u64 {
    let calls = u64::from(settings.wechat_calls) + u64::from(settings.wechat_calls.div_ceil(2));
    let kept_back = OWN + u64::from(settings.connections) + calls + WEBHOOKS;
    descriptors.saturating_sub(kept_back).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_into_the_usual_1024_descriptors() {
        let settings = Settings::default();
        assert!(beside_the_outgoing(&settings, 1_024) >= u64::from(settings.max_connections));
    }

    #[test]
    fn few_descriptors_are_shared_and_the_outgoing_side_has_its_own() {
        let settings = Settings::default();
        let left = beside_the_outgoing(&settings, 256);
        assert!((LEAST..256 - u64::from(settings.connections)).contains(&left), "{left}");
        assert_eq!(beside_the_outgoing(&settings, 64), LEAST);
    }
}
