//! Who changed what.

use std::fmt;

use hongyan_clock::UnixMillis;
use hongyan_ledger::{codes, names};
use hongyan_wechat::AppId;

/// The kinds of actors that change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// A caller with an API key.
    Key,
    /// An operator at the command line, who can read and write the database anyway.
    CommandLine,
    /// The gateway itself.
    System,
    /// A person at the console.
    Person,
    /// The configuration, which the gateway applies at its start.
    Configuration,
}

names!(ActorKind {
    Key: "key",
    CommandLine: "cli",
    System: "system",
    Person: "person",
    Configuration: "configuration"
});

codes!(ActorKind { Key: 0, CommandLine: 1, System: 2, Person: 3, Configuration: 4 });

impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The actor of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The kind of actor.
    pub kind: ActorKind,
    /// The id of the key, or of the person.
    pub id: Option<String>,
    /// The name of the key, or of the person.
    pub name: Option<String>,
}

impl Actor {
    /// An operator at the command line.
    pub const COMMAND_LINE: Self = Self { kind: ActorKind::CommandLine, id: None, name: None };

    /// The gateway itself.
    pub const SYSTEM: Self = Self { kind: ActorKind::System, id: None, name: None };

    /// The configuration.
    pub const CONFIGURATION: Self = Self { kind: ActorKind::Configuration, id: None, name: None };
}

/// The subject of a change. Never a secret, and never a user's openid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The app, if the change is about an app.
    pub appid: Option<AppId>,
    /// The id of the changed object.
    pub object: Option<String>,
}

/// A change that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAudit {
    /// When.
    pub at: UnixMillis,
    /// Who makes it.
    pub actor: Actor,
    /// The call: method and path with its placeholders, or a command.
    pub call: String,
    /// The subject, as far as it is known before the change.
    pub subject: Subject,
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEnd {
    /// `ok`, or the code of the problem with which the change was refused.
    pub result: String,
    /// The names of the fields that the change sets, as `name` and `callback.token`. A name has no comma.
    pub fields: Vec<String>,
    /// The subject, if only the change itself could tell it.
    pub subject: Subject,
}

/// One line of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number; later ones are larger.
    pub number: i64,
    /// The change that was about to be made, with all that is known of its subject.
    pub entry: NewAudit,
    /// The names of the fields that the change sets.
    pub fields: Vec<String>,
    /// How the change ended; `None`: it was begun, and the process died or is still working on it.
    pub result: Option<String>,
}

/// Which lines of the audit trail to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// At this moment or later.
    pub since: Option<UnixMillis>,
    /// Before this moment.
    pub until: Option<UnixMillis>,
    /// About one of these apps; `None`: about anything.
    pub apps: Option<Vec<AppId>>,
    /// With numbers below this number; the previous page ended there.
    pub before: Option<i64>,
    /// At most so many lines.
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_actors_keep_their_numbers_and_names() {
        use ActorKind as K;
        let all = [
            (K::Key, 0, "key"),
            (K::CommandLine, 1, "cli"),
            (K::System, 2, "system"),
            (K::Person, 3, "person"),
            (K::Configuration, 4, "configuration"),
        ];
        assert_eq!(K::ALL, all.map(|(kind, ..)| kind));
        for (kind, number, name) in all {
            assert_eq!((kind.code(), kind.name(), K::from_code(number)), (number, name, Some(kind)));
        }
        assert_eq!(K::from_code(5), None);
    }
}
