//! A message as its user sees it in WeChat: title, fields, and where a tap leads.

use askama::Template;

use crate::Language;

/// The picture of a card.
#[derive(Debug, Clone, Template)]
#[template(path = "card.html")]
pub struct Card {
    /// The language of the labels that WeChat itself puts there.
    pub language: Language,
    /// The mini program's name.
    pub app: String,
    /// The template's title.
    pub title: String,
    /// When it was or would be sent, as text.
    pub time: Option<String>,
    /// The value that a legacy template shows large.
    pub emphasis: Option<Field>,
    /// The fields in the order in which WeChat shows them.
    pub fields: Vec<Field>,
    /// The page that a tap opens.
    pub page: Option<String>,
}

/// One line of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// What stands before the value.
    pub label: String,
    /// The value.
    pub value: String,
    /// What is wrong with the value, in words; WeChat would refuse it or cut it.
    pub complaint: Option<String>,
}

impl Card {
    /// As HTML, every text in it escaped.
    pub fn html(&self) -> String {
        // It writes into a string: nothing can fail.
        self.render().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_never_markup() {
        let evil = || "<script>alert(1)</script>\"'&".to_owned();
        let field = || Field { label: evil(), value: evil(), complaint: Some(evil()) };
        let card = Card {
            language: Language::Zh,
            app: evil(),
            title: evil(),
            time: Some(evil()),
            emphasis: Some(field()),
            fields: vec![field()],
            page: Some(evil()),
        };
        let html = card.html();
        assert!(!html.contains("<script") && html.contains("&#60;script"), "{html}");
    }
}
