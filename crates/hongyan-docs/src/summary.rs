//! The order of the pages, from `docs/SUMMARY.md` and `docs/SUMMARY.zh-CN.md`: lists of links under headings, in the form
//! that mdBook reads.

/// Pages with one topic.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// `None` for the pages before the first heading.
    pub(crate) title: Option<&'static str>,
    pub(crate) entries: Vec<Entry>,
}

/// One page of the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name in the list.
    pub(crate) name: &'static str,
    /// Its file, as a path from `docs/`.
    pub(crate) file: &'static str,
}

/// Reads a summary. Its title is left out.
pub(crate) fn parts(text: &'static str) -> Vec<Part> {
    let mut parts = vec![Part { title: None, entries: Vec::new() }];
    for line in text.lines().skip(1).map(str::trim) {
        if let Some(title) = line.strip_prefix("# ") {
            parts.push(Part { title: Some(title), entries: Vec::new() });
        } else if let Some(entry) = entry(line) {
            parts.last_mut().expect("there is a first part").entries.push(entry);
        }
    }
    parts.retain(|part| !part.entries.is_empty());
    parts
}

/// `- [name](file)` or `[name](file)`.
fn entry(line: &'static str) -> Option<Entry> {
    let link = line.strip_prefix("- ").unwrap_or(line).strip_prefix('[')?;
    let (name, file) = link.strip_suffix(')')?.split_once("](")?;
    Some(Entry { name, file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_parts_with_pages() {
        let text = "# Summary\n\n[Start](../README.md)\n\n# Use\n\n- [API](api.md)\n- [Other](other.md)\n\n# Empty\n";
        let entry = |name, file| Entry { name, file };
        assert_eq!(
            parts(text),
            [
                Part { title: None, entries: vec![entry("Start", "../README.md")] },
                Part {
                    title: Some("Use"),
                    entries: vec![entry("API", "api.md"), entry("Other", "other.md")]
                },
            ]
        );
    }
}
