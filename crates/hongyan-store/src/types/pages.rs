//! Pages of lists.

/// How many rows a page looks at by default: some hundredths of a second.
pub const LOOK_AT: u32 = 10_000;

/// A page of a list, newest first.
///
/// A page is bounded by what it finds and by how many rows it looks at. So it can be short or even empty, and still not be
/// the last page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, I> {
    /// The rows that were found.
    pub items: Vec<T>,
    /// Where the next page begins: the last row that was looked at. `None`: this was the last page.
    pub next: Option<I>,
}
