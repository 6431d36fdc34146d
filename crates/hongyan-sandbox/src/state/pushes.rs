//! The waiting pushes in order per app, and the log of pushes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, OpenId};
use serde::Serialize;
use serde_json::Value;

use super::callbacks::{Damage, Message};
use crate::limits::Limits;

/// The state of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PushState {
    /// Waiting, running, or held back.
    Waiting,
    /// The receiver answered `success`.
    Delivered,
    /// Tried as often as WeChat tries, without success.
    GivenUp,
    /// Dropped: the queue was full, or the callback was removed.
    Dropped,
}

/// A try.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Try {
    pub(crate) at: UnixMillis,
    /// The status, if there was an answer.
    pub(crate) status: Option<u16>,
    /// The beginning of the answer, or why there was no answer.
    pub(crate) answer: String,
}

/// A push in the log.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LoggedPush {
    pub(crate) id: u64,
    pub(crate) appid: AppId,
    pub(crate) made_at: UnixMillis,
    pub(crate) event: Option<String>,
    pub(crate) state: PushState,
    pub(crate) tries: Vec<Try>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) damage: Vec<Damage>,
    /// The content before encryption.
    pub(crate) body: Value,
}

/// A waiting push.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    pub(crate) id: u64,
    pub(crate) openid: Option<OpenId>,
    pub(crate) message: Message,
    pub(crate) damage: Vec<Damage>,
}

/// All pushes.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    last_id: u64,
    held: bool,
    waiting: BTreeMap<AppId, VecDeque<Push>>,
    /// The apps whose queue a task works on. Each app has its own task, so pushes keep their order and apps do not delay
    /// each other.
    worked_on: BTreeSet<AppId>,
    log: VecDeque<LoggedPush>,
}

impl Pushes {
    /// Queues a push; false if there is no room, which the log reports.
    #[allow(clippy::too_many_arguments)] // all that a push is, and what bounds it
    pub(crate) fn add(
        &mut self,
        appid: &AppId,
        openid: Option<OpenId>,
        message: Message,
        damage: Vec<Damage>,
        body: Value,
        now: UnixMillis,
        limits: &Limits,
    ) -> (u64, bool) {
        self.last_id += 1;
        let id = self.last_id;
        let queue = self.waiting.entry(appid.clone()).or_default();
        let has_room = queue.len() < limits.waiting;
        let state = if has_room { PushState::Waiting } else { PushState::Dropped };
        while self.log.len() >= limits.pushes {
            self.log.pop_front();
        }
        self.log.push_back(LoggedPush {
            id,
            appid: appid.clone(),
            made_at: now,
            event: message.event().map(str::to_owned),
            state,
            tries: Vec::new(),
            damage: damage.clone(),
            body,
        });
        if has_room {
            queue.push_back(Push { id, openid, message, damage });
        }
        (id, has_room)
    }

    /// The apps that need a task now; they count as having a task from here.
    pub(crate) fn start(&mut self) -> Vec<AppId> {
        if self.held || self.waiting.is_empty() {
            return Vec::new();
        }
        let idle: Vec<_> =
            self.waiting.keys().filter(|app| !self.worked_on.contains(*app)).cloned().collect();
        self.worked_on.extend(idle.iter().cloned());
        idle
    }

    /// The next push of the app. The push stays in the queue until [`finish`](Self::finish). `None` ends the task.
    pub(crate) fn next(&mut self, appid: &AppId) -> Option<Push> {
        let next = self.waiting.get(appid).and_then(|queue| queue.front()).filter(|_| !self.held).cloned();
        if next.is_none() {
            self.worked_on.remove(appid);
        }
        next
    }

    /// Logs a try.
    pub(crate) fn tried(&mut self, id: u64, attempt: Try) {
        if let Some(logged) = self.logged(id) {
            logged.tries.push(attempt);
        }
    }

    /// Ends the push.
    pub(crate) fn finish(&mut self, appid: &AppId, id: u64, state: PushState) {
        if let Some(logged) = self.logged(id) {
            logged.state = state;
        }
        // A reset meanwhile may have emptied the queue.
        if let Some(queue) = self.waiting.get_mut(appid) {
            queue.retain(|push| push.id != id);
            if queue.is_empty() {
                self.waiting.remove(appid);
            }
        }
    }

    fn logged(&mut self, id: u64) -> Option<&mut LoggedPush> {
        let at = self.log.binary_search_by_key(&id, |logged| logged.id).ok()?;
        self.log.get_mut(at)
    }

    /// Whether the push must still be delivered: a reset removes running pushes too.
    pub(crate) fn is_wanted(&self, appid: &AppId, id: u64) -> bool {
        self.waiting.get(appid).is_some_and(|queue| queue.iter().any(|push| push.id == id))
    }

    /// The number of pushes in the log.
    pub(crate) fn logged_count(&self) -> usize {
        self.log.len()
    }

    /// The longest queue of any app.
    pub(crate) fn longest_queue(&self) -> usize {
        self.waiting.values().map(VecDeque::len).max().unwrap_or(0)
    }

    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// How many pushes wait or run.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    /// The newest `limit` pushes of the app (of all apps without `appid`), in the order in which they were made.
    pub(crate) fn newest(&self, appid: Option<&AppId>, limit: usize) -> Vec<LoggedPush> {
        let matches = |push: &&LoggedPush| appid.is_none_or(|appid| push.appid == *appid);
        let mut found: Vec<_> = self.log.iter().rev().filter(matches).take(limit).cloned().collect();
        found.reverse();
        found
    }

    /// Forgets everything. Ids continue, and running tasks find nothing more to do.
    pub(crate) fn clear(&mut self) {
        self.held = false;
        self.waiting.clear();
        self.log.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { waiting: 5, pushes: 3, ..Limits::DEFAULT };

    fn add(pushes: &mut Pushes, appid: &AppId) -> (u64, bool) {
        pushes.add(appid, None, Message::Text("x".into()), Vec::new(), Value::Null, UnixMillis(0), &LIMITS)
    }

    #[test]
    fn each_app_has_one_task_and_keeps_its_order() {
        let mut pushes = Pushes::default();
        let (one, two): (AppId, AppId) = ("wx1".parse().unwrap(), "wx2".parse().unwrap());
        add(&mut pushes, &one);
        add(&mut pushes, &one);
        assert_eq!(pushes.start(), std::slice::from_ref(&one));
        add(&mut pushes, &two);
        assert_eq!(pushes.start(), std::slice::from_ref(&two), "the first has its task");
        assert_eq!(pushes.next(&one).unwrap().id, 1);
        pushes.finish(&one, 1, PushState::Delivered);
        assert_eq!(pushes.next(&one).unwrap().id, 2);
        pushes.finish(&one, 2, PushState::GivenUp);
        assert!(pushes.next(&one).is_none());
        add(&mut pushes, &one);
        assert_eq!(pushes.start(), [one], "the task had ended, so there is a new one");
    }

    #[test]
    fn what_is_held_waits_for_its_release() {
        let mut pushes = Pushes::default();
        let app = "wx1".parse().unwrap();
        pushes.hold(true);
        add(&mut pushes, &app);
        assert!(pushes.start().is_empty());
        pushes.hold(false);
        assert_eq!(pushes.start().len(), 1);
    }

    #[test]
    fn a_full_queue_drops_and_says_so() {
        let mut pushes = Pushes::default();
        let app = "wx1".parse().unwrap();
        for _ in 0..LIMITS.waiting {
            assert!(add(&mut pushes, &app).1);
        }
        let (id, queued) = add(&mut pushes, &app);
        assert!(!queued);
        let last = pushes.newest(None, 1).remove(0);
        assert_eq!((last.id, last.state), (id, PushState::Dropped));
        assert_eq!(pushes.logged_count(), LIMITS.pushes, "the log has its own limit");
    }
}
