//! Who changed what.

use std::fmt;

use hongyan_clock::UnixMillis;
use hongyan_ledger::{codes, names};
use hongyan_wechat::AppId;

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// Somebody with an API key.
    Key,
    /// Somebody at the command line, who can read and write the database anyway.
    CommandLine,
    /// The gateway itself.
    System,
    /// A person at the console.
    Person,
}

names!(ActorKind { Key: "key", CommandLine: "cli", System: "system", Person: "person" });

codes!(ActorKind { Key: 0, CommandLine: 1, System: 2, Person: 3 });

impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who did something, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// What kind of actor.
    pub kind: ActorKind,
    /// The key's id, or the person's.
    pub id: Option<String>,
    /// What people call it.
    pub name: Option<String>,
}

impl Actor {
    /// Somebody at the command line.
    pub const COMMAND_LINE: Self = Self { kind: ActorKind::CommandLine, id: None, name: None };

    /// The gateway itself.
    pub const SYSTEM: Self = Self { kind: ActorKind::System, id: None, name: None };
}

/// What a change is about. Never a secret, and never a user's openid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The app, if it is about one.
    pub appid: Option<AppId>,
    /// The id of what is changed.
    pub object: Option<String>,
}

/// A change that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAudit {
    /// When.
    pub at: UnixMillis,
    /// Who makes it.
    pub actor: Actor,
    /// With which call: method and path with its placeholders, or a command.
    pub call: String,
    /// What it is about, as far as that is known before.
    pub subject: Subject,
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEnd {
    /// `ok`, or the code of the problem that it was refused with.
    pub result: String,
    /// What it was about, where only the change itself could tell.
    pub subject: Subject,
}

/// One line of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number; later ones are larger.
    pub number: i64,
    /// What was about to be done, with all that is known of its subject.
    pub entry: NewAudit,
    /// How it ended; `None`: it was begun, and the process died or is still at it.
    pub result: Option<String>,
}

/// Which lines to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// At this moment or later.
    pub since: Option<UnixMillis>,
    /// Before this moment.
    pub until: Option<UnixMillis>,
    /// About one of these apps; `None`: whatever it is about.
    pub apps: Option<Vec<AppId>>,
    /// Below this number; the page before ended there.
    pub before: Option<i64>,
    /// At most so many.
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
        ];
        assert_eq!(K::ALL, all.map(|(kind, ..)| kind));
        for (kind, number, name) in all {
            assert_eq!((kind.code(), kind.name(), K::from_code(number)), (number, name, Some(kind)));
        }
        assert_eq!(K::from_code(4), None);
    }
}
