//! Every setting: defaults < `hongyan.toml` < `HONGYAN_…` variables < command line flags.
//!
//! What a setting is called, means and allows stands in one table (`config/settings.rs`), from which the reader, the
//! example file and the messages are made. An unknown name is an error, for a misspelt setting that silently does
//! nothing is found too late.

mod closest;
mod error;
mod example;
mod injected;
mod load;
mod log_filter;
mod row;
mod settings;
mod values;

pub use error::{ConfigError, Place};
pub use example::example_toml;
pub use load::load;
pub use log_filter::check_log_filter;
pub use settings::Settings;
pub use values::LogFormat;
