//! Templates: read from both of WeChat's libraries, kept in the store, and asked for again now and then, and when a
//! message names one that is not known yet.
//!
//! | file | knows |
//! | --- | --- |
//! | `template.rs` | a template with its fields |
//! | `sync.rs` | the synchronisation |
//! | `report.rs` | what a synchronisation did |
//! | `schedule.rs` | when it is due |
//! | `gate.rs` | whose turn it is, and how the last one went |
//! | `library.rs` | choosing from the public libraries, and giving back |
//! | `ask.rs` | a call with the app's token |
//! | `example.rs` | a message by a template, to copy |

mod ask;
mod example;
mod gate;
mod library;
mod report;
mod schedule;
mod sync;
mod template;

pub(crate) use gate::SyncGate;
pub use gate::SyncTrouble;
pub(crate) use library::no_such_template;
pub use library::{Found, Keyword, NewTemplate, Title, refused_as};
pub use report::{ChangeReport, LibraryReport, LibraryState, SyncReport};
pub use schedule::TemplateSyncer;
pub use template::Template;
