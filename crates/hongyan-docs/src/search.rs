//! Finds sections of the pages. A text is searched as it is, without an index: all pages of a language are some hundred
//! kilobytes, which takes about a millisecond. So Chinese needs no list of words.

use crate::book::{Book, Page};
use crate::html::{escape, is_chinese};

/// The most sections that are shown.
pub(crate) const MOST: usize = 40;
/// The longest text that is looked for, in characters.
const LONGEST: usize = 100;
/// The least share of a Chinese term's pairs of characters that a section has if it does not have the whole term.
const ENOUGH_PAIRS: f64 = 0.6;
/// How much text of a section is shown before and after what was found, in characters.
const AROUND: (usize, usize) = (40, 160);

/// A section that was found.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) address: String,
    pub(crate) page: String,
    /// Empty for the beginning of a page.
    pub(crate) heading: String,
    /// A part of the text, as HTML, in which the terms are marked.
    pub(crate) excerpt: String,
    score: f64,
}

/// What can be found.
pub(crate) struct Place<'a> {
    pub(crate) address: String,
    pub(crate) page: &'a str,
    pub(crate) heading: &'a str,
    pub(crate) text: &'a str,
}

/// One term of what is looked for, in lower case.
#[derive(Debug, PartialEq)]
enum Term {
    /// A word, which is found where a word begins.
    Word(String),
    /// Chinese text.
    Chinese(String),
}

/// The terms of a text: words, and runs of Chinese characters.
fn terms(sought: &str) -> Vec<Term> {
    let mut terms: Vec<Term> = Vec::new();
    let mut is_new = true;
    for c in sought.chars().take(LONGEST).flat_map(char::to_lowercase) {
        let is_part = c.is_alphanumeric() || (!is_new && matches!(c, '_' | '-' | '/' | '.'));
        if !is_part {
            is_new = true;
            continue;
        }
        match terms.last_mut() {
            Some(Term::Chinese(text)) if !is_new && is_chinese(c) => text.push(c),
            Some(Term::Word(text)) if !is_new && !is_chinese(c) => text.push(c),
            _ if is_chinese(c) => terms.push(Term::Chinese(c.into())),
            _ => terms.push(Term::Word(c.into())),
        }
        is_new = false;
    }
    for term in &mut terms {
        if let Term::Word(word) = term {
            word.truncate(word.trim_end_matches(['_', '-', '/', '.']).len());
        }
    }
    terms
}

impl Term {
    fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Chinese(text) => text,
        }
    }

    /// Where the term is in a text in lower case.
    fn places(&self, text: &str) -> Vec<(usize, usize)> {
        match self {
            Self::Chinese(term) => {
                text.match_indices(term.as_str()).map(|(at, part)| (at, part.len())).collect()
            }
            Self::Word(word) => {
                let places = begins(text, word);
                match word.strip_suffix('s') {
                    // The plural also finds the singular.
                    Some(singular) if places.is_empty() && singular.len() > 2 => begins(text, singular),
                    _ => places,
                }
            }
        }
    }

    /// How well a text has the term; 0 if it does not.
    fn weight(&self, text: &str) -> f64 {
        let count = self.places(text).len();
        if count > 0 {
            return 1.0 + (count.min(8) as f64) / 8.0;
        }
        let Self::Chinese(term) = self else { return 0.0 };
        let pairs = pairs(term);
        if pairs.len() < 2 {
            return 0.0;
        }
        let found = pairs.iter().filter(|pair| text.contains(pair.as_str())).count();
        let share = found as f64 / pairs.len() as f64;
        if share >= ENOUGH_PAIRS { share / 2.0 } else { 0.0 }
    }
}

/// Where words of a text begin like this.
fn begins(text: &str, word: &str) -> Vec<(usize, usize)> {
    let is_begin = |at: usize| !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
    text.match_indices(word).filter(|(at, _)| is_begin(*at)).map(|(at, part)| (at, part.len())).collect()
}

/// All pairs of neighbouring characters.
fn pairs(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.windows(2).map(|pair| pair.iter().collect()).collect()
}

/// The sections of a book, and the other places, that have all terms; the best first.
pub(crate) fn find(book: &Book, others: &[Place<'_>], sought: &str) -> Vec<Hit> {
    let terms = terms(sought);
    if terms.is_empty() {
        return Vec::new();
    }
    let mut hits: Vec<Hit> = book.pages.iter().flat_map(|page| in_page(book, page, &terms)).collect();
    hits.extend(others.iter().filter_map(|place| in_place(place, &terms)));
    hits.sort_by(|one, other| other.score.total_cmp(&one.score));
    hits.truncate(MOST);
    hits
}

fn in_page(book: &Book, page: &Page, terms: &[Term]) -> Vec<Hit> {
    let address = crate::place::address(book.language, &page.slug);
    let sections = page.content.sections.iter().map(|section| Place {
        address: if section.anchor.is_empty() {
            address.clone()
        } else {
            format!("{address}#{}", section.anchor)
        },
        page: &page.name,
        heading: &section.heading,
        text: &section.text,
    });
    sections.filter_map(|place| in_place(&place, terms)).collect()
}

fn in_place(place: &Place<'_>, terms: &[Term]) -> Option<Hit> {
    // Only ASCII letters change, so that a place in one text is the same place in the other.
    let (page, heading, text) = (
        place.page.to_ascii_lowercase(),
        place.heading.to_ascii_lowercase(),
        place.text.to_ascii_lowercase(),
    );
    let mut score = 0.0;
    for term in terms {
        let (of_page, of_heading, of_text) = (term.weight(&page), term.weight(&heading), term.weight(&text));
        // A word of the page's name is no reason to show each of its sections.
        let is_beginning = place.heading.is_empty();
        if of_heading + of_text == 0.0 && !(is_beginning && of_page > 0.0) {
            return None;
        }
        if is_beginning && page == term.text() {
            score += 20.0;
        }
        score += 6.0 * of_heading + of_text + if is_beginning { 6.0 } else { 1.0 } * of_page;
    }
    let excerpt = excerpt(place.text, &text, terms);
    Some(Hit {
        address: place.address.clone(),
        page: place.page.to_owned(),
        heading: place.heading.to_owned(),
        excerpt,
        score,
    })
}

/// The part of a text around the first term, with all terms marked. `lower`: the same text in lower case.
fn excerpt(text: &str, lower: &str, terms: &[Term]) -> String {
    let mut places: Vec<_> = terms.iter().flat_map(|term| term.places(lower)).collect();
    places.sort_unstable();
    let first = places.first().map_or(0, |(at, _)| *at);
    let begin = text[..first].char_indices().rev().nth(AROUND.0).map_or(0, |(at, _)| at);
    let end = text[first..].char_indices().nth(AROUND.1).map_or(text.len(), |(at, _)| first + at);
    let mut html = if begin > 0 { "… ".to_owned() } else { String::new() };
    let mut at = begin;
    for (place, length) in places {
        if place < at || place + length > end {
            continue;
        }
        html.push_str(&escape(&text[at..place]));
        html.push_str("<mark>");
        html.push_str(&escape(&text[place..place + length]));
        html.push_str("</mark>");
        at = place + length;
    }
    html.push_str(&escape(&text[at..end]));
    if end < text.len() {
        html.push_str(" …");
    }
    html
}

#[cfg(test)]
mod tests {
    use hongyan_ui::Language;

    use super::*;

    #[test]
    fn a_text_has_words_and_chinese_terms() {
        let word = |text: &str| Term::Word(text.to_owned());
        let chinese = |text: &str| Term::Chinese(text.to_owned());
        assert_eq!(
            terms("Idempotency-Key, 额度过期 errcode43101。 "),
            [word("idempotency-key"), chinese("额度过期"), word("errcode43101")]
        );
        assert_eq!(terms("额度permit"), [chinese("额度"), word("permit")]);
        assert!(terms("，。 ").is_empty());
    }

    fn found(language: Language, sought: &str) -> Vec<String> {
        find(Book::of(language), &[], sought).into_iter().map(|hit| hit.address).collect()
    }

    #[test]
    fn chinese_words_find_pages() {
        for (sought, page) in
            [("额度", "/docs/zh/api"), ("模板", "/docs/zh/templates"), ("幂等", "/docs/zh/api")]
        {
            let found = found(Language::Zh, sought);
            assert!(found.iter().any(|address| address.starts_with(page)), "{sought}: {found:?}");
        }
    }

    #[test]
    fn english_words_find_pages_also_in_the_plural() {
        for (sought, page) in [
            ("idempotency", "/docs/en/api"),
            ("Templates", "/docs/en/templates"),
            ("backup", "/docs/en/operations"),
        ] {
            let found = found(Language::En, sought);
            assert!(found.iter().any(|address| address.starts_with(page)), "{sought}: {found:?}");
        }
        assert_eq!(found(Language::En, "zzz"), [""; 0]);
    }

    #[test]
    fn a_page_is_first_for_its_own_name() {
        assert_eq!(found(Language::En, "facade")[0], "/docs/en/facade");
        assert_eq!(found(Language::Zh, "沙箱")[0], "/docs/zh/sandbox");
    }

    #[test]
    fn words_are_found_where_they_begin_and_only_all_together() {
        let place = |text| Place { address: String::new(), page: "", heading: "x", text };
        let hit = |text, sought| in_place(&place(text), &terms(sought)).map(|hit| hit.excerpt);
        assert_eq!(hit("It will happen", "app"), None);
        assert_eq!(hit("The app_id <x>", "id").as_deref(), Some("The app_<mark>id</mark> &lt;x&gt;"));
        assert_eq!(hit("one two", "one three"), None);
        // A longer Chinese term also finds a text that says nearly the same.
        assert!(hit("额度会在七天后过期", "额度七天后过期").is_some());
        assert!(hit("额度", "模板已经同步完成").is_none());
    }
}
