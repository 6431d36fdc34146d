//! Places where a test may end the process, as `kill -9` would.
//!
//! Between every two effects on a message's way (a commit, a request, an answer to a caller) there is a [`Point`].
//! The gateway and the store call [`reach`] there. In a build with the feature `failpoints`, `reach` ends the process if the
//! environment says so. In any other build `reach` compiles to nothing.
//!
//! `FAILPOINTS=settle.before_commit=3*off->return` ends the process when it comes to that point for the fourth time.
//! The syntax is that of the [`fail`](https://docs.rs/fail) crate; `return` is the action that ends the process.
//!
//! [`ALL`] is the list that the crash harness runs through, and that `docs/reliability.md` shows.

/// A place between two effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The point's name in `FAILPOINTS`.
    pub name: &'static str,
    /// What has been done when the process reaches the point.
    pub before: &'static str,
    /// What would be done next.
    pub after: &'static str,
}

macro_rules! points {
    ($($constant:ident $name:literal: $before:literal => $after:literal;)*) => {
        $(
            #[doc = concat!($before, "; not yet: ", $after, ".")]
            pub const $constant: Point = Point { name: $name, before: $before, after: $after };
        )*

        /// Every point, in the order of a message's way.
        pub const ALL: &[Point] = &[$($constant),*];
    };
}

points! {
    GRANT_BEFORE_COMMIT "grant.before_commit":
        "a grant is written" => "it is durable";
    GRANT_AFTER_COMMIT "grant.after_commit":
        "a grant is durable, and the messages that waited for it are woken" => "its caller is answered";
    ACCEPT_BEFORE_COMMIT "accept.before_commit":
        "a checked message is written" => "it is durable";
    ACCEPT_AFTER_COMMIT "accept.after_commit":
        "a message is durable, perhaps as sending" => "intake hears of it";
    ACCEPT_BEFORE_DISPATCH "accept.before_dispatch":
        "intake knows that a message is durable" => "a worker has it, a timer is set, its caller is answered";
    CANCEL_BEFORE_COMMIT "cancel.before_commit":
        "a message is withdrawn" => "that is durable";
    CANCEL_AFTER_COMMIT "cancel.after_commit":
        "a withdrawal is durable" => "its caller is answered";
    CLAIM_BEFORE_COMMIT "claim.before_commit":
        "due messages are written as sending" => "that is durable";
    CLAIM_AFTER_COMMIT "claim.after_commit":
        "due messages are durable as sending" => "schedule hears of them";
    CLAIM_BEFORE_DISPATCH "claim.before_dispatch":
        "schedule has claimed messages" => "workers have them";
    TOKEN_BEFORE_STORE "token.before_store":
        "WeChat gave an access token" => "it is stored";
    TOKEN_AFTER_STORE "token.after_store":
        "a new access token is durable" => "requests use it";
    DISPATCH_BEFORE_REQUEST "dispatch.before_request":
        "a worker has message, token and body" => "the request is written";
    DISPATCH_BEFORE_REPEAT "dispatch.before_repeat":
        "WeChat refused the token, and there is another" => "the request is written again";
    DISPATCH_AFTER_ANSWER "dispatch.after_answer":
        "the request was written and answered" => "settle hears of it";
    SETTLE_AFTER_PAUSE "settle.after_pause":
        "the pause of an app that WeChat refused is durable" => "the outcome that caused it is stored";
    SETTLE_BEFORE_COMMIT "settle.before_commit":
        "an outcome is written" => "it is durable";
    SETTLE_AFTER_COMMIT "settle.after_commit":
        "an outcome is durable, and the user's next message is durable as sending" => "settle hears of it";
    SETTLE_BEFORE_NEXT "settle.before_next":
        "settle has the user's next message" => "a worker has it";
    RECEIVE_BEFORE_COMMIT "receive.before_commit":
        "an event that WeChat pushed is written" => "it is durable";
    RECEIVE_AFTER_COMMIT "receive.after_commit":
        "an event is durable" => "WeChat is answered, and the event is worked on";
    APPLY_BEFORE_COMMIT "apply.before_commit":
        "all that an event asks for is written" => "that is durable";
    APPLY_AFTER_COMMIT "apply.after_commit":
        "all that an event asks for is durable, and so is that it is done" => "messages that it woke are looked at";
    TELL_BEFORE_REQUEST "tell.before_request":
        "an event for a webhook is durable" => "the request with it is written";
    TELL_AFTER_ANSWER "tell.after_answer":
        "a webhook has taken an event" => "that is written";
    TELL_BEFORE_COMMIT "tell.before_commit":
        "what became of events is written" => "that is durable";
    TELL_AFTER_COMMIT "tell.after_commit":
        "what became of events is durable" => "more are read";
    RECOVER_BEFORE_SETTLE "recover.before_settle":
        "a start found messages of the last process as sending" => "they are settled as unanswered";
    RECOVER_AFTER_SETTLE "recover.after_settle":
        "those of one lane are settled" => "the lane is looked at";
    RECOVER_AFTER_ACQUIRE "recover.after_acquire":
        "one lane is taken over" => "all of them are";
    RECOVER_DONE "recover.done":
        "all lanes are taken over" => "the gateway serves";
}

impl Point {
    /// Whether the point is in the recovery at a start.
    pub fn is_at_start(self) -> bool {
        self.name.starts_with("recover.")
    }
}

/// Whether this build has fail points.
pub const BUILT_IN: bool = cfg!(feature = "failpoints");

/// The process is at this point: ends the process, if the environment asked for that.
#[cfg(feature = "failpoints")]
pub fn reach(point: Point) {
    fail::fail_point!(point.name, |_| die());
}

/// Does nothing in this build.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn reach(_point: Point) {}

/// Keeps the points armed while it lives.
#[must_use = "the points are armed until this is dropped"]
pub struct Armed(
    #[cfg(feature = "failpoints")]
    #[allow(dead_code, reason = "it is held, not used")]
    fail::FailScenario<'static>,
);

/// Arms the points that the environment names in `FAILPOINTS`, if this build has fail points.
///
/// # Panics
/// When the environment names a point that does not exist: a test would wrongly believe that the process got past it.
pub fn arm() -> Armed {
    #[cfg(feature = "failpoints")]
    {
        let scenario = fail::FailScenario::setup();
        for (name, _) in fail::list() {
            assert!(ALL.iter().any(|point| point.name == name), "there is no fail point {name}");
        }
        Armed(scenario)
    }
    #[cfg(not(feature = "failpoints"))]
    Armed()
}

/// Ends the process as `kill -9` does: no destructor runs, nothing is flushed.
#[cfg(feature = "failpoints")]
fn die() {
    use rustix::process::{Signal, getpid, kill_process};
    let killed = kill_process(getpid(), Signal::KILL);
    // The signal arrives before the call returns, so this line is reached only if the call failed.
    eprintln!("the process could not kill itself: {killed:?}");
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (n, point) in ALL.iter().enumerate() {
            assert!(ALL[..n].iter().all(|other| other.name != point.name), "{}", point.name);
        }
    }
}
