//! Pages of what is listed.

/// How many rows a page looks at unless it is said: some hundredths of a second.
pub const LOOK_AT: u32 = 10_000;

/// A page of what was asked for, newest first.
///
/// A page is bounded by what it finds and by what it looks at, so it can be short, or empty, and not the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, I> {
    /// What was found.
    pub items: Vec<T>,
    /// Up to where was looked, if something lies behind: the next page goes on there. `None`: this was the last page.
    pub next: Option<I>,
}
