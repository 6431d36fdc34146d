//! Magic ids: ids that always lead to the same result, so that a test needs no chaos rule.
//!
//! One scheme: `sandbox-WORD`, or `sandbox-WORD-anything` for several ids with the same result. A magic id takes the
//! place of a real id: an openid, a template, a form id, an appid, a secret, a login code, a tid, an access token. The
//! sandbox obeys this table, and its help page and `docs/sandbox.md` show the table.

use std::fmt::Write as _;

use hongyan_wechat::Errcode;
use serde_json::Value;

use hongyan_ui::Language;

/// The prefix of every magic id.
const PREFIX: &str = "sandbox-";
/// The delay of `sandbox-slow` without a number.
const SLOW_MS: u64 = 1_000;
/// The longest delay of `sandbox-slow` with a number.
const MAX_SLOW_MS: u64 = 60_000;

/// The place of a magic id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Openid,
    Template,
    FormId,
    Appid,
    Secret,
    Code,
    Tid,
    AccessToken,
}

/// The effect of a magic id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The call succeeds.
    Fine,
    /// The call is not done; this is the answer.
    Refuse(Errcode),
    /// The first request with this id gets this answer; later requests succeed.
    RefuseOnce(Errcode),
    /// The call is delayed, by the number after the word.
    Slow,
    /// The call is done, then the connection is reset.
    LostAnswer,
    /// WeChat accepts the message, but the user refuses it: no card, and the event reports the refusal.
    UserRefuses,
    /// WeChat accepts the message, and nothing follows: no card, no event.
    Undelivered,
}

/// A magic word.
#[derive(Debug)]
pub(crate) struct Magic {
    pub(crate) word: &'static str,
    pub(crate) places: &'static [Place],
    pub(crate) effect: Effect,
    zh: &'static str,
    en: &'static str,
}

use Place::{AccessToken, Appid, Code, FormId, Openid, Secret, Template, Tid};

const USER: &[Place] = &[Openid, FormId];
const SEND: &[Place] = &[Openid, Template, FormId];
const CREDENTIAL: &[Place] = &[Appid, Secret];
const LOGIN: &[Place] = &[Code];
const LIBRARY: &[Place] = &[Tid];
const TOKEN: &[Place] = &[AccessToken];
const EVERYWHERE: &[Place] = &[Openid, Template, FormId, Appid, Secret, Code, Tid];

const fn refuse(word: &'static str, code: Errcode, places: &'static [Place]) -> Magic {
    Magic { word, places, effect: Effect::Refuse(code), zh: "", en: "" }
}

/// Every magic word. The errcode table has the meaning of an errcode.
pub(crate) static MAGIC: &[Magic] = &[
    Magic {
        word: "ok",
        places: &[Openid, FormId, Code],
        effect: Effect::Fine,
        zh: "一切正常：该用户已接受所有模板，任意 form_id 均可用一次；作为 code 则登录为 sandbox-ok",
        en: "the call succeeds: the user has accepted every template, and any form id of this user \
             works once; a code logs in the user sandbox-ok",
    },
    Magic {
        word: "slow",
        places: &[Openid, FormId, Code, Appid],
        effect: Effect::Slow,
        zh: "延迟处理，毫秒数写在后面，如 sandbox-slow-1500；不写为 1000",
        en: "the call is delayed by the milliseconds in the id, as sandbox-slow-1500; default: 1000",
    },
    Magic {
        word: "lost-answer",
        places: &[Openid, FormId, Code, Appid],
        effect: Effect::LostAnswer,
        zh: "照常处理（消息送达），随后连接被重置，没有应答；被拒绝的请求照常应答",
        en: "the call is done (the message arrives), then the connection is reset without an answer; a refusal is answered",
    },
    Magic {
        word: "refused",
        places: USER,
        effect: Effect::UserRefuses,
        zh: "应答成功，但用户拒收：没有卡片，推送的结果为 user refuse",
        en: "the send succeeds, but the user refuses the message: no card, and the event says user refuse",
    },
    Magic {
        word: "undelivered",
        places: USER,
        effect: Effect::Undelivered,
        zh: "应答成功，但永不送达：没有卡片，也没有推送",
        en: "the send succeeds, but the message is never delivered: no card and no event",
    },
    Magic {
        word: "40001-once",
        places: USER,
        effect: Effect::RefuseOnce(Errcode::INVALID_CREDENTIAL),
        zh: "每个 id 的第一次请求得到 40001，之后正常",
        en: "the first request with this id gets 40001, later requests succeed",
    },
    refuse("minus1", Errcode::SYSTEM_BUSY, EVERYWHERE),
    refuse("45009", Errcode::DAY_QUOTA, EVERYWHERE),
    refuse("45011", Errcode::MINUTE_QUOTA, EVERYWHERE),
    refuse("40003", Errcode::INVALID_OPENID, SEND),
    refuse("40037", Errcode::INVALID_TEMPLATE, SEND),
    refuse("41028", Errcode::INVALID_FORM_ID, SEND),
    refuse("41029", Errcode::FORM_ID_USED, SEND),
    refuse("41030", Errcode::INVALID_PAGE, SEND),
    refuse("43101", Errcode::NOT_ACCEPTED, SEND),
    refuse("43107", Errcode::TEMPLATE_BANNED, SEND),
    refuse("43108", Errcode::SEND_CONFLICT, SEND),
    refuse("45168", Errcode::SENSITIVE_WORD, SEND),
    refuse("47003", Errcode::FIELD_RULE, SEND),
    refuse("48001", Errcode::API_UNAUTHORIZED, SEND),
    refuse("50002", Errcode::USER_LIMITED, SEND),
    refuse("40001", Errcode::INVALID_CREDENTIAL, &[AccessToken, Secret]),
    refuse("40014", Errcode::INVALID_ACCESS_TOKEN, TOKEN),
    refuse("42001", Errcode::TOKEN_EXPIRED, TOKEN),
    refuse("40013", Errcode::INVALID_APPID, CREDENTIAL),
    refuse("40125", Errcode::INVALID_SECRET, CREDENTIAL),
    refuse("40164", Errcode::IP_NOT_LISTED, CREDENTIAL),
    refuse("40243", Errcode::SECRET_FROZEN, CREDENTIAL),
    refuse("50004", Errcode::TOKEN_FORBIDDEN, CREDENTIAL),
    refuse("50007", Errcode::APP_FROZEN, CREDENTIAL),
    refuse("89503", Errcode::ADMIN_MUST_CONFIRM, CREDENTIAL),
    refuse("89506", Errcode::ADMIN_REFUSED_DAY, CREDENTIAL),
    refuse("89507", Errcode::ADMIN_REFUSED_HOUR, CREDENTIAL),
    refuse("40029", Errcode::INVALID_CODE, LOGIN),
    refuse("40163", Errcode::CODE_USED, LOGIN),
    refuse("40226", Errcode::RISKY_USER, LOGIN),
    refuse("20001", Errcode::TEMPLATE_SYSTEM_ERROR, LIBRARY),
    refuse("20002", Errcode::TEMPLATE_BAD_ARGUMENT, LIBRARY),
    refuse("40400", Errcode::BAD_HTTP_REQUEST, LIBRARY),
    refuse("200001", Errcode::TEMPLATE_SERVICE_DOWN, LIBRARY),
    refuse("200002", Errcode::TEMPLATE_PARAMETER, LIBRARY),
    refuse("200011", Errcode::TEMPLATE_ACCOUNT_BANNED, LIBRARY),
    refuse("200012", Errcode::PRIVATE_TEMPLATE_LIMIT, LIBRARY),
    refuse("200013", Errcode::LIBRARY_TEMPLATE_BANNED, LIBRARY),
    refuse("200014", Errcode::INVALID_TID, LIBRARY),
    refuse("200020", Errcode::INVALID_KID_LIST, LIBRARY),
    refuse("200021", Errcode::INVALID_SCENE, LIBRARY),
    refuse("200022", Errcode::TEMPLATE_EXISTS, LIBRARY),
    refuse("200100", Errcode::WRONG_ACCOUNT_TYPE, LIBRARY),
];

/// A magic id in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) word: &'static str,
    pub(crate) place: Place,
    pub(crate) effect: Effect,
    /// The whole id.
    pub(crate) id: String,
}

impl Found {
    /// The delay of the call.
    pub(crate) fn delay_ms(&self) -> u64 {
        if self.effect != Effect::Slow {
            return 0;
        }
        let behind = self.id.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(self.word));
        let number = behind.and_then(|rest| rest.split('-').nth(1)).and_then(|digits| digits.parse().ok());
        number.unwrap_or(SLOW_MS).min(MAX_SLOW_MS)
    }

    /// Whether the id is in a place that identifies the caller, and so is checked first.
    pub(crate) fn is_credential(&self) -> bool {
        matches!(self.place, Appid | Secret | Code | AccessToken)
    }
}

/// The effect of this id in this place, if it is a magic id for the place.
pub(crate) fn find(id: &str, place: Place) -> Option<Found> {
    let rest = id.strip_prefix(PREFIX)?;
    let matches = |magic: &&Magic| {
        magic.places.contains(&place)
            && rest.strip_prefix(magic.word).is_some_and(|after| after.is_empty() || after.starts_with('-'))
    };
    // "40001-once" is longer than "40001" and must be tried first.
    let magic = MAGIC.iter().filter(matches).max_by_key(|magic| magic.word.len())?;
    Some(Found { word: magic.word, place, effect: magic.effect, id: id.to_owned() })
}

/// Whether this is the openid of a magic user, who exists without being made.
pub(crate) fn is_user(openid: &str) -> bool {
    find(openid, Openid).is_some()
}

/// The parameter and member names of ids in WeChat's calls.
const NAMES: &[(&str, Place)] = &[
    ("access_token", AccessToken),
    ("appid", Appid),
    ("secret", Secret),
    ("appsecret", Secret),
    ("js_code", Code),
    ("touser", Openid),
    ("template_id", Template),
    ("form_id", FormId),
    ("tid", Tid),
    ("priTmplId", Tid),
];

/// The first magic id of a call, in the order of [`NAMES`].
pub(crate) fn of_call(query: &[(String, String)], body: &[u8]) -> Option<Found> {
    let in_query = query.iter().any(|(_, value)| value.starts_with(PREFIX));
    let needle = PREFIX.as_bytes();
    // The bytes are searched first: nearly no call has a magic id, and parsing the body twice would slow every call.
    let in_body = body.windows(needle.len()).any(|window| window == needle);
    if !in_query && !in_body {
        return None;
    }
    let body: Value = if in_body { serde_json::from_slice(body).unwrap_or_default() } else { Value::Null };
    NAMES.iter().find_map(|(name, place)| {
        let from_query = query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        from_query.or_else(|| body.get(name)?.as_str()).and_then(|id| find(id, *place))
    })
}

impl Magic {
    fn meaning(&self) -> (String, String) {
        match self.effect {
            Effect::Refuse(code) => {
                let (zh, en) = code.info().map_or(("", ""), |info| (info.meaning_zh, info.meaning_en));
                (format!("{code}：{zh}"), format!("{code}: {en}"))
            }
            _ => (self.zh.to_owned(), self.en.to_owned()),
        }
    }

    fn places(&self) -> String {
        self.places.iter().map(|place| place.name()).collect::<Vec<_>>().join(", ")
    }
}

impl Place {
    /// The name in the calls.
    fn name(self) -> &'static str {
        match self {
            Openid => "touser",
            Template => "template_id",
            FormId => "form_id",
            Appid => "appid",
            Secret => "secret",
            Code => "js_code",
            Tid => "tid, priTmplId",
            AccessToken => "access_token",
        }
    }
}

/// The table for the help page.
pub(crate) fn html(language: Language) -> String {
    let mut rows = String::new();
    for magic in MAGIC {
        let (zh, en) = magic.meaning();
        writeln!(
            rows,
            "<tr><td><code class=\"id\">{PREFIX}{}</code></td><td>{}</td><td>{}</td></tr>",
            magic.word,
            magic.places(),
            language.pick(&zh, &en)
        )
        .expect("writing to a string cannot fail");
    }
    rows
}

/// The table for the pages in `docs/`.
#[cfg(test)]
pub(crate) fn markdown(is_chinese: bool) -> String {
    let mut table = if is_chinese {
        "| id | 位置 | 结果 |\n| --- | --- | --- |\n".to_owned()
    } else {
        "| id | place | result |
| --- | --- | --- |
"
        .to_owned()
    };
    for magic in MAGIC {
        let (zh, en) = magic.meaning();
        let meaning = if is_chinese { zh } else { en };
        writeln!(table, "| `{PREFIX}{}` | {} | {meaning} |", magic.word, magic.places())
            .expect("writing to a string cannot fail");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_may_have_anything_behind_it_and_the_longest_counts() {
        let effect = |id, place| find(id, place).map(|found| found.effect);
        let refused = Some(Effect::Refuse(Errcode::NOT_ACCEPTED));
        assert_eq!(effect("sandbox-43101", Openid), refused);
        assert_eq!(effect("sandbox-43101-7", FormId), refused);
        assert_eq!(effect("sandbox-431017", Openid), None);
        assert_eq!(effect("sandbox-43101", Code), None, "not in this place");
        assert_eq!(
            effect("sandbox-40001-once-a", Openid),
            Some(Effect::RefuseOnce(Errcode::INVALID_CREDENTIAL))
        );
        assert_eq!(effect("oSandboxUser0000000000000001", Openid), None);
    }

    #[test]
    fn how_slow_stands_in_the_name() {
        let delay = |id| find(id, Openid).unwrap().delay_ms();
        assert_eq!(delay("sandbox-slow"), 1_000);
        assert_eq!(delay("sandbox-slow-25-second"), 25);
        assert_eq!(delay("sandbox-slow-99999999"), 60_000);
        assert_eq!(delay("sandbox-slow-x"), 1_000);
        assert_eq!(delay("sandbox-ok-25"), 0);
    }

    #[test]
    fn ids_are_found_where_calls_have_them() {
        let query = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let word = |query: &[(String, String)], body: &str| of_call(query, body.as_bytes()).map(|f| f.word);
        assert_eq!(word(&query("secret", "sandbox-40125-x"), ""), Some("40125"));
        assert_eq!(word(&[], r#"{"touser":"o1","template_id":"sandbox-43107"}"#), Some("43107"));
        assert_eq!(
            word(&[], r#"{"data":{"thing1":{"value":"sandbox-43101"}}}"#),
            None,
            "not a text of a card"
        );
        assert_eq!(word(&[], "sandbox-43101"), None);
        assert_eq!(word(&query("secret", "sandbox-43101"), ""), None);
    }

    #[test]
    fn every_word_is_there_once_and_is_explained() {
        for (at, magic) in MAGIC.iter().enumerate() {
            assert!(MAGIC[..at].iter().all(|other| other.word != magic.word), "{}", magic.word);
            let (zh, en) = magic.meaning();
            assert!(zh.chars().count() > 8 && en.len() > 8, "{}", magic.word);
            if let Effect::Refuse(code) = magic.effect
                && code.0 > 0
            {
                assert_eq!(magic.word, code.to_string());
            }
        }
    }
}
