//! The types: an errcode, and what is known of it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// WeChat's verdict on a request. `0` is success.
#[derive(Debug, Copy, Clone, Eq, PartialEq, Hash, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Errcode(pub i32);

impl Errcode {
    /// The request was carried out.
    pub const OK: Self = Self(0);

    /// Whether the request was carried out.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Errcode {
    /// The bare number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An errcode in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ErrcodeInfo {
    /// The number.
    pub errcode: Errcode,
    /// A stable name in snake_case, for programs and metrics.
    pub name: &'static str,
    /// What happened, in English.
    pub meaning_en: &'static str,
    /// What happened, in Chinese.
    pub meaning_zh: &'static str,
    /// Who can change it.
    pub fault: Fault,
    /// What to do, in English.
    pub advice_en: &'static str,
    /// What to do, in Chinese.
    pub advice_zh: &'static str,
}

impl ErrcodeInfo {
    /// What it means and what helps, in English sentences.
    pub fn explanation_en(&self) -> String {
        format!("{}. {}", self.meaning_en, self.advice_en)
    }

    /// The same in Chinese.
    pub fn explanation_zh(&self) -> String {
        format!("{}。{}", self.meaning_zh, self.advice_zh)
    }
}

/// Who can change that a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// WeChat itself; waiting helps.
    #[serde(rename = "wechat")]
    WeChat,
    /// The request, and so whoever wrote it.
    Caller,
    /// The user: a choice or a state of theirs.
    User,
    /// The app's settings: its secret, its list of addresses, its capabilities.
    Configuration,
    /// Too many requests in too short a time.
    Quota,
    /// Somebody else did something at the same time.
    Race,
}
