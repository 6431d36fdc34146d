//! The verbs by name.

use hongyan_failpoints::{self as points, Point};

macro_rules! verbs {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// The verbs of the store.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Verb {
            $(#[doc = concat!("To ", $text, ".")] $name),*
        }

        impl Verb {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];

            /// The verb in words, for errors: "the database failed while it was asked to …". The words are for people only;
            /// no code depends on them.
            pub(super) const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text),*
                }
            }
        }
    };
}

verbs! {
    Accept = "accept messages",
    Claim = "claim due messages",
    Settle = "settle attempts",
    Lease = "renew a node's lease",
    Leave = "take a node off",
    ForgetNodes = "forget earlier nodes",
    NoteBreak = "note that pushes may have been missed",
    AcquireLane = "acquire a lane",
    ReleaseLane = "release a lane",
    CancelMessage = "cancel a message",
    ResolveMessage = "resolve a message",
    ReadMessage = "read a message",
    ReadMessages = "read messages",
    ReadStory = "read a message's story",
    ExplainMessage = "explain a message",
    ListMessages = "list messages",
    GrantPermits = "grant permits",
    ListPermits = "list permits",
    CountReach = "count who can be reached",
    AddApp = "add an app",
    ChangeApp = "change an app",
    RemoveApp = "remove an app",
    ListApps = "list apps",
    ReadApp = "read an app",
    PauseApp = "pause an app",
    ResumeApp = "resume an app",
    Probe = "look for a probe",
    KeepTemplates = "keep an app's templates",
    ListTemplates = "list templates",
    ListAllTemplates = "list the templates of all apps",
    LeaseToken = "make it somebody's turn to ask for a token",
    EndTokenLease = "end a turn to ask for a token",
    KeepAccessToken = "keep an access token",
    ReadAccessToken = "read an access token",
    ReadAllAccessTokens = "read all access tokens",
    KeepGatewayToken = "keep a gateway token",
    ReadGatewayToken = "read a gateway token",
    ListGatewayTokens = "list gateway tokens",
    UseGatewayToken = "note the use of a gateway token",
    RevokeGatewayTokens = "revoke gateway tokens",
    KeepLogin = "keep a login",
    ReadSession = "read a session",
    EndSessions = "end sessions",
    ForgetUsers = "forget session keys",
    ReadSessionKeys = "read session keys",
    ReceiveEvent = "receive an event",
    OpenEvents = "look for events to work on",
    ApplyEvent = "apply an event",
    ListEvents = "list events",
    VerifyCallback = "keep a check of a callback",
    ReadCallback = "read what was heard of a callback",
    ReadCallbacks = "read what was heard of callbacks",
    KeepKey = "keep an API key",
    ReadKey = "read an API key",
    ListKeys = "list API keys",
    NumberCaller = "number a caller",
    RevokeKey = "revoke an API key",
    NoteKeyUse = "note the use of an API key",
    CountOpen = "count open messages",
    CountPermits = "count usable permits",
    CountParts = "count who can be reached by what",
    ListUsers = "list users",
    ListNodes = "list nodes",
    AddPerson = "add a person",
    ChangePerson = "change a person",
    RemovePerson = "remove a person",
    ListPeople = "list people",
    ReadPerson = "read a person",
    NoteFailedLogin = "note a login that failed",
    LogIn = "log a person in",
    ReadConsoleSession = "read a session of the console",
    ListConsoleSessions = "list a person's sessions",
    NoteConsoleSessionUse = "note the use of a session of the console",
    EndConsoleSession = "end a session of the console",
    EndConsoleSessions = "end a person's sessions",
    AddLoginLink = "keep a link that logs in",
    TakeLoginLink = "take a link that logs in",
    BeginAudit = "begin a line of the audit trail",
    EndAudit = "end a line of the audit trail",
    ListAudit = "list the audit trail",
    ReadTallies = "add up figures",
    AddWebhook = "add a webhook",
    ChangeWebhook = "change a webhook",
    RemoveWebhook = "remove a webhook",
    ListWebhooks = "list webhooks",
    ReadFeed = "read events",
    ReadDeliveries = "read due deliveries",
    NextDelivery = "find the next delivery",
    SettleDeliveries = "settle deliveries",
    ReplayEvents = "replay events",
    TestWebhook = "test a webhook",
    ListDeliveries = "list deliveries",
    ReadWebhook = "read a webhook",
    FindExpiring = "look for what expires soon",
    TellExpiring = "tell what expires soon",
    FindOld = "look for what is old",
    RemoveOld = "remove what is old",
    ReadSealed = "read encrypted values",
    Reseal = "encrypt values again",
    Ping = "answer a health check",
}

impl Verb {
    /// The fail points before and after the commit of this verb, if it is on a message's way.
    pub(super) const fn points(self) -> Option<(Point, Point)> {
        Some(match self {
            Self::Accept => (points::ACCEPT_BEFORE_COMMIT, points::ACCEPT_AFTER_COMMIT),
            Self::ApplyEvent => (points::APPLY_BEFORE_COMMIT, points::APPLY_AFTER_COMMIT),
            Self::CancelMessage => (points::CANCEL_BEFORE_COMMIT, points::CANCEL_AFTER_COMMIT),
            Self::Claim => (points::CLAIM_BEFORE_COMMIT, points::CLAIM_AFTER_COMMIT),
            Self::GrantPermits => (points::GRANT_BEFORE_COMMIT, points::GRANT_AFTER_COMMIT),
            Self::ReceiveEvent => (points::RECEIVE_BEFORE_COMMIT, points::RECEIVE_AFTER_COMMIT),
            Self::SettleDeliveries => (points::TELL_BEFORE_COMMIT, points::TELL_AFTER_COMMIT),
            Self::Settle => (points::SETTLE_BEFORE_COMMIT, points::SETTLE_AFTER_COMMIT),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_point_at_a_commit_is_reached_by_one_verb() {
        let at_a_commit = |end: &str| {
            let names = points::ALL.iter().map(|point| point.name).filter(|name| name.ends_with(end));
            names.map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let reached: Vec<_> = Verb::ALL.iter().filter_map(|verb| verb.points()).collect();
        let before: BTreeSet<_> = reached.iter().map(|(before, _)| before.name.to_owned()).collect();
        let after: BTreeSet<_> = reached.iter().map(|(_, after)| after.name.to_owned()).collect();
        assert_eq!(before, at_a_commit(".before_commit"));
        assert_eq!(after, at_a_commit(".after_commit"));
        assert_eq!(
            (before.len(), after.len()),
            (reached.len(), reached.len()),
            "a point belongs to two verbs"
        );
    }

    #[test]
    fn no_two_verbs_are_told_by_the_same_words() {
        let texts: BTreeSet<_> = Verb::ALL.iter().map(|verb| verb.text()).collect();
        assert_eq!(texts.len(), Verb::ALL.len());
    }
}
