//! Paging, shared by all lists of the API.

use hongyan_store::types::Page;

use crate::problem::Problem;

/// The most entries on a page.
const MAX_PAGE: u32 = 1_000;

/// The entries of a page if the request has no `limit`.
const DEFAULT_PAGE: u32 = 50;

/// Checks a query's `limit`.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(DEFAULT_PAGE);
    if (1..=MAX_PAGE).contains(&limit) {
        Ok(limit)
    } else {
        Err(Problem::invalid("limit", format!("must be from 1 to {MAX_PAGE}")))
    }
}

/// The first `limit` entries, and the cursor of the next page if an entry is left. So pass at least `limit + 1` entries, or
/// all entries.
pub(super) fn first<T, I>(
    entries: impl IntoIterator<Item = T>,
    limit: u32,
    id: impl Fn(&T) -> I,
) -> Page<T, I> {
    let mut entries = entries.into_iter();
    let items: Vec<T> = entries.by_ref().take(limit as usize).collect();
    let next = entries.next().and_then(|_| items.last().map(id));
    Page { items, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_leads_to_the_next_one_only_if_something_is_left() {
        let page = |entries: &[u8], limit| {
            let Page { items, next } = first(entries.to_vec(), limit, |entry| entry * 10);
            (items, next)
        };
        assert_eq!(page(&[], 2), (vec![], None));
        assert_eq!(page(&[1, 2], 2), (vec![1, 2], None));
        assert_eq!(page(&[1, 2, 3], 2), (vec![1, 2], Some(20)));
    }

    #[test]
    fn a_limit_has_bounds_and_a_default() {
        assert_eq!(limit(None).unwrap(), 50);
        assert_eq!(limit(Some(1_000)).unwrap(), 1_000);
        assert!(limit(Some(0)).is_err() && limit(Some(1_001)).is_err());
    }
}
