//! Figures over time: what is asked, and what comes out.

use hongyan_clock::UnixMillis;
use hongyan_ledger::tally::{Counted, TallyStep};
use hongyan_wechat::{AppId, TemplateId};

/// The most apps or templates that one answer names.
pub const MAX_PARTS: u32 = 1_000;

/// Which counts.
#[derive(Debug, Clone)]
pub struct TallyFilter {
    /// Those of these apps; `None`: of all.
    pub apps: Option<Vec<AppId>>,
    /// Those of this template.
    pub template: Option<TemplateId>,
    /// From the beginning of the step that this moment lies in.
    pub since: UnixMillis,
    /// To the beginning of the step that this moment lies in, or to this moment if a step begins there.
    pub until: UnixMillis,
    /// Summed up in steps of this length. What is kept in longer steps is left out.
    pub step: TallyStep,
    /// Summed up by this, too, over the whole time.
    pub by: Option<TallyBy>,
}

/// What counts are summed up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TallyBy {
    /// The app.
    App,
    /// The app and the template.
    Template,
}

hongyan_ledger::names!(TallyBy { App: "app", Template: "template" });

/// Counts, each of one thing in one step, and of one thing in one part; of one moment. What did not happen is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TallyCounts {
    /// In order of time.
    pub steps: Vec<(UnixMillis, Counted, u64)>,
    /// If asked for: of those [`MAX_PARTS`] for which most was counted, in order of their names.
    pub parts: Vec<TallyPart>,
}

/// A count of one thing for an app or a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TallyPart {
    /// The app.
    pub app: AppId,
    /// The template, if that was asked for.
    pub template: Option<TemplateId>,
    /// What.
    pub counted: Counted,
    /// How often.
    pub count: u64,
}

/// A count as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Tally {
    pub(crate) start: UnixMillis,
    pub(crate) app: AppId,
    pub(crate) template: TemplateId,
    pub(crate) counted: Counted,
}
