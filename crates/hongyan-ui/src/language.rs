//! The two languages of all pages.

use axum::http::{HeaderMap, HeaderValue, Uri, header};

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

    /// Its name in the language itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zh => "中文",
            Self::En => "English",
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

    /// Keeps the language that `?lang=` asks for in a cookie, for a year.
    pub fn keep_asked(query: Option<&str>, answer: &mut HeaderMap) {
        let cookie = Self::asked(query).map(|asked| match asked {
            Self::Zh => "hongyan_lang=zh; Path=/; Max-Age=31536000; SameSite=Lax",
            Self::En => "hongyan_lang=en; Path=/; Max-Age=31536000; SameSite=Lax",
        });
        if let Some(cookie) = cookie {
            answer.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
    }

    /// The address of a page in this language, with everything else that the address says.
    pub fn address(self, page: &Uri) -> String {
        let others = page.query().unwrap_or_default().split('&');
        let others = others.filter(|pair| !pair.is_empty() && *pair != "lang" && !pair.starts_with("lang="));
        let query = others.fold(String::new(), |query, pair| query + pair + "&");
        format!("{}?{query}lang={}", page.path(), self.code())
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

    #[test]
    fn what_the_address_asks_for_is_kept_and_nothing_else() {
        let kept = |query: Option<&str>| {
            let mut answer = HeaderMap::new();
            Language::keep_asked(query, &mut answer);
            let cookies: Vec<_> = answer.get_all(header::SET_COOKIE).into_iter().cloned().collect();
            cookies
        };
        for language in [Language::Zh, Language::En] {
            let query = format!("q=1&lang={}", language.code());
            let [cookie] = &kept(Some(&query))[..] else { panic!("one cookie") };
            let first = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            assert_eq!(first, format!("{COOKIE}={}", language.code()));
        }
        assert!(kept(None).is_empty() && kept(Some("lang=xx")).is_empty());
    }

    #[test]
    fn an_address_keeps_what_else_it_says() {
        let address = |page: &str| Language::Zh.address(&page.parse().unwrap());
        assert_eq!(address("/"), "/?lang=zh");
        assert_eq!(address("/a?q=%E6%8B%BF+%26&lang=en&b=1"), "/a?q=%E6%8B%BF+%26&b=1&lang=zh");
        assert_eq!(address("/a?language=1&lang"), "/a?language=1&lang=zh");
    }
}
