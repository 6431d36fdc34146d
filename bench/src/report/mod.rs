//! The report: as tables for the terminal, as JSON, and as the generated part of two pages.
//!
//! | module | knows |
//! | --- | --- |
//! | [`table`] | the format of a table |
//! | [`tables`] | which tables there are, in both languages |
//! | [`page`] | the place of the tables in the pages |

mod page;
mod table;
mod tables;

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::Result;
use crate::callbacks::Callbacks;
use crate::console::Console;
use crate::contest::Row;
use crate::durable::Limit;
use crate::facade_calls::FacadeCalls;
use crate::half_load::HalfLoad;
use crate::history::History;
use crate::machine::Machine;
use crate::scheduled::Scheduled;
use crate::trial::Figures;
use table::Language;

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// The command that repeats the measurement.
    pub(crate) command: String,
    pub(crate) messages: u32,
    pub(crate) connections: u32,
    pub(crate) users: u32,
    pub(crate) rounds: u32,
    pub(crate) limit: Limit,
    pub(crate) contest: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) half_load: Option<HalfLoad>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) facade: Option<FacadeCalls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callbacks: Option<Callbacks>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<History>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) console: Option<Console>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scheduled: Option<Scheduled>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sandbox: Option<Figures>,
}

impl Report {
    /// Writes the report into the repository's pages.
    pub(crate) fn write(&self, repository: &Path) -> Result {
        for (name, language) in
            [("benchmarks.md", Language::English), ("benchmarks.zh-CN.md", Language::Chinese)]
        {
            page::write(&repository.join("docs").join(name), &page::measured(self, language))?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = tables::all(self, Language::English);
        let text: Vec<String> = tables.iter().map(table::Table::text).collect();
        f.write_str(text.join("\n").trim_end())
    }
}
