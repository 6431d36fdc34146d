//! Every setting: defaults < `hongyan.toml` < `HONGYAN_…` variables < command line flags.
//!
//! One table (`config/settings.rs`) has the name, the meaning and the values of each setting. The reader, the example file
//! and the error messages are made from it. An unknown name is an error: a misspelt setting that silently does nothing would
//! be found too late.

mod closest;
mod entries;
mod error;
mod example;
mod injected;
mod load;
mod log_filter;
mod place;
mod row;
mod settings;
mod values;
mod why;

pub use entries::{Entry, EntryKind};
pub use error::ConfigError;
pub use example::example_toml;
pub(crate) use load::entries_of;
pub use load::load;
pub use log_filter::check_log_filter;
pub use place::Place;
pub use settings::Settings;
pub(crate) use values::flag;
pub use values::{LogFormat, RequireTotp};
pub(crate) use why::Invalid;
pub use why::Why;
