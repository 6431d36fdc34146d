//! The types: an errcode, and its explanation.

use std::fmt;

use serde::{Deserialize, Serialize};

/// WeChat's result code for a request. `0` is success.
#[derive(Debug, Copy, Clone, Eq, PartialEq, Hash, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Errcode(pub i32);

impl Errcode {
    /// WeChat carried out the request.
    pub const OK: Self = Self(0);

    /// Whether WeChat carried out the request.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Errcode {
    /// The number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The explanation of an errcode.
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
    /// Who can fix it.
    pub fault: Fault,
    /// What to do, in English.
    pub advice_en: &'static str,
    /// What to do, in Chinese.
    pub advice_zh: &'static str,
}

impl ErrcodeInfo {
    /// Meaning and advice, in English sentences.
    pub fn explanation_en(&self) -> String {
        format!("{}. {}", self.meaning_en, self.advice_en)
    }

    /// Meaning and advice, in Chinese sentences.
    pub fn explanation_zh(&self) -> String {
        format!("{}。{}", self.meaning_zh, self.advice_zh)
    }
}

/// Who can fix the cause of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// WeChat itself; waiting helps.
    #[serde(rename = "wechat")]
    WeChat,
    /// The author of the request.
    Caller,
    /// The user, by a choice or by the state of the account.
    User,
    /// The app's settings: its AppSecret, its IP list, its capabilities.
    Configuration,
    /// Too many requests in too short a time.
    Quota,
    /// Another request at the same time caused the refusal.
    Race,
}
