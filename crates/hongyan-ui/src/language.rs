//! The two languages of all pages.

use axum::http::{HeaderMap, header};

/// The cookie that keeps the language that a reader chose.
pub const COOKIE: &str = "hongyan_lang";

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Chinese, in simplified characters.
    Zh,
    /// English.
    En,
}

impl Language {
    /// As `?lang=` and the cookie spell it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// As the attribute `lang` of a page spells it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// The other language.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Zh => Self::En,
            Self::En => Self::Zh,
        }
    }

    /// One of two values.
    pub fn pick<T>(self, zh: T, en: T) -> T {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// The language that a text such as `zh-CN` or `en` names.
    pub fn of(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_', ';']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("zh") {
            Some(Self::Zh)
        } else {
            primary.eq_ignore_ascii_case("en").then_some(Self::En)
        }
    }

    /// The language that `?lang=` asks for.
    pub fn asked(query: Option<&str>) -> Option<Self> {
        query?.split('&').find_map(|pair| pair.strip_prefix("lang=")).and_then(Self::of)
    }

    /// The language of a page: the one that its address asks for, else the one that was kept, else the first of the two
    /// that the browser accepts, else English.
    pub fn wanted(query: Option<&str>, headers: &HeaderMap) -> Self {
        let accepted = || {
            let list = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
            list.split(',').find_map(Self::of)
        };
        Self::asked(query)
            .or_else(|| cookie(headers, COOKIE).and_then(Self::of))
            .or_else(accepted)
            .unwrap_or(Self::En)
    }

    /// The header `Set-Cookie` that keeps this language for a year.
    pub fn kept(self) -> String {
        format!("{COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Lax", self.code())
    }
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(cookie: &'static str, accept: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static(cookie));
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accept));
        headers
    }

    #[test]
    fn the_address_comes_before_the_cookie_and_the_cookie_before_the_browser() {
        let wanted = |query, cookie, accept| Language::wanted(query, &headers(cookie, accept));
        assert_eq!(wanted(Some("a=1&lang=zh"), "hongyan_lang=en", "en"), Language::Zh);
        assert_eq!(wanted(Some("a=1"), "a=b; hongyan_lang=zh", "en"), Language::Zh);
        assert_eq!(wanted(None, "x=1", "fr, zh-CN;q=0.9, en;q=0.8"), Language::Zh);
        assert_eq!(wanted(None, "x=1", "fr"), Language::En);
        assert_eq!(wanted(Some("lang=xx"), "hongyan_lang=xx", "en-GB,zh"), Language::En);
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let headers = headers("hongyan_language=en; hongyan_lang=zh", "");
        assert_eq!(cookie(&headers, COOKIE), Some("zh"));
        assert_eq!(cookie(&headers, "lang"), None);
    }
}
