//! Templates: read from both libraries of WeChat, kept in the store, and synchronised regularly, and also when a message
//! names an unknown template.
//!
//! | file | knows |
//! | --- | --- |
//! | `template.rs` | a template with its fields |
//! | `sync.rs` | the synchronisation |
//! | `report.rs` | what a synchronisation did |
//! | `schedule.rs` | when the next synchronisation is due |
//! | `gate.rs` | the locks for asking, and the result of the last synchronisation |
//! | `library.rs` | the public libraries: searching, adding, deleting |
//! | `ask.rs` | a call with the app's token |
//! | `example.rs` | a sample message for a template, to copy |

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
