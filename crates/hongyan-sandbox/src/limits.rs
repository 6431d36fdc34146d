//! How much is kept of each thing. A sandbox runs for weeks in a test environment, so nothing in it may only grow.

use std::fmt::Write as _;

use hongyan_ui::Language;

/// Limits on how much of each thing is kept, or done at once. Beyond a limit the oldest things are forgotten, or new
/// things are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Mini programs.
    pub apps: usize,
    /// Users of each app.
    pub users: usize,
    /// Access tokens of each app, including invalid tokens.
    pub tokens: usize,
    /// Login codes, including used codes.
    pub codes: usize,
    /// Form ids and prepay ids, including used ids.
    pub forms: usize,
    /// Cards in the inbox.
    pub cards: usize,
    /// Refused requests that `rid/get` finds.
    pub rids: usize,
    /// Requests in the log, with their complaints.
    pub requests: usize,
    /// Pushes in the log.
    pub pushes: usize,
    /// Waiting pushes of each app.
    pub waiting: usize,
    /// Magic ids that were seen before.
    pub magic: usize,
    /// Chaos rules.
    pub rules: usize,
    /// Calls that are delayed at the same time.
    pub slow: usize,
    /// Connections at the same time.
    pub connections: usize,
}

/// A limit: its name, and in Chinese and English what is limited and what happens beyond the limit.
struct Row {
    name: &'static str,
    place: fn(&mut Limits) -> &mut usize,
    zh: &'static str,
    en: &'static str,
}

static TABLE: &[Row] = &[
    Row {
        name: "apps",
        place: |limits| &mut limits.apps,
        zh: "小程序；超出时拒绝新建（`too_many_apps`）",
        en: "apps; further apps are refused (`too_many_apps`)",
    },
    Row {
        name: "users",
        place: |limits| &mut limits.users,
        zh: "每个小程序的用户；超出时忘记最早的十分之一，初始用户除外",
        en: "users of each app; the oldest tenth is forgotten, but never the initial user",
    },
    Row {
        name: "tokens",
        place: |limits| &mut limits.tokens,
        zh: "每个小程序的 access_token，含已失效的；超出时忘记最早的，当前的除外。失效的保留一天",
        en: "access tokens of each app, including invalid tokens; the oldest are forgotten, \
             but never the current tokens. Invalid tokens are kept for a day",
    },
    Row {
        name: "codes",
        place: |limits| &mut limits.codes,
        zh: "登录 code，含已用的；超出时忘记最早的。保留一天",
        en: "login codes, including used codes; the oldest are forgotten. Codes are kept for a day",
    },
    Row {
        name: "forms",
        place: |limits| &mut limits.forms,
        zh: "form_id 和 prepay_id，含已用的；超出时忘记最早的。保留 30 天",
        en: "form ids and prepay ids, including used ids; the oldest are forgotten. Ids are kept for 30 days",
    },
    Row {
        name: "cards",
        place: |limits| &mut limits.cards,
        zh: "收到的卡片；超出时忘记最早的",
        en: "cards in the inbox; the oldest are forgotten",
    },
    Row {
        name: "rids",
        place: |limits| &mut limits.rids,
        zh: "`rid/get` 能查到的请求；超出时忘记最早的",
        en: "requests that `rid/get` finds; the oldest are forgotten",
    },
    Row {
        name: "requests",
        place: |limits| &mut limits.requests,
        zh: "请求记录及其 complaints；超出时忘记最早的",
        en: "requests in the log, with their complaints; the oldest are forgotten",
    },
    Row {
        name: "pushes",
        place: |limits| &mut limits.pushes,
        zh: "推送记录；超出时忘记最早的",
        en: "pushes in the log; the oldest are forgotten",
    },
    Row {
        name: "waiting",
        place: |limits| &mut limits.waiting,
        zh: "每个小程序等待推送的事件；超出的丢弃，记录里注明",
        en: "waiting pushes of each app; further pushes are dropped, and the log says so",
    },
    Row {
        name: "magic",
        place: |limits| &mut limits.magic,
        zh: "已经用过第一次的魔法 id；超出时忘记最早的",
        en: "magic ids that were seen before; the oldest are forgotten",
    },
    Row {
        name: "rules",
        place: |limits| &mut limits.rules,
        zh: "故障规则；超出时拒绝添加（`too_many_rules`）",
        en: "chaos rules; further rules are refused (`too_many_rules`)",
    },
    Row {
        name: "slow",
        place: |limits| &mut limits.slow,
        zh: "同时延迟处理的请求；超出时回 HTTP 503",
        en: "calls that are delayed at the same time; further calls are answered with HTTP 503",
    },
    Row {
        name: "connections",
        place: |limits| &mut limits.connections,
        zh: "同时打开的连接；超出的等待",
        en: "connections at the same time; further connections wait",
    },
];

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Limits {
    /// Enough for a load test, and not enough to fill a machine.
    pub const DEFAULT: Self = Self {
        apps: 1_000,
        users: 1_000_000,
        tokens: 1_000,
        codes: 100_000,
        forms: 1_000_000,
        cards: 500_000,
        rids: 10_000,
        requests: 10_000,
        pushes: 10_000,
        waiting: 10_000,
        magic: 100_000,
        rules: 1_000,
        slow: 10_000,
        connections: 10_000,
    };

    /// Changes a limit, as `cards=1000`.
    ///
    /// # Errors
    /// When there is no limit with this name, or when the number is not from 1 to a thousand million; in words.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        const MOST: usize = 1_000_000_000;
        let names = || TABLE.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
        let (name, number) = text
            .split_once('=')
            .ok_or_else(|| format!("write NAME=NUMBER, where NAME is one of {}", names()))?;
        let row = TABLE.iter().find(|row| row.name == name);
        let row = row.ok_or_else(|| format!("there is no limit {name}; the limits are {}", names()))?;
        let number = number.parse().ok().filter(|number| (1..=MOST).contains(number));
        *(row.place)(self) = number.ok_or_else(|| format!("{name}: must be a number from 1 to {MOST}"))?;
        Ok(())
    }

    /// The limit with this name.
    pub(crate) fn of(mut self, name: &str) -> Option<usize> {
        TABLE.iter().find(|row| row.name == name).map(|row| *(row.place)(&mut self))
    }
}

/// The table for the help page.
pub(crate) fn html(language: Language) -> String {
    let mut limits = Limits::DEFAULT;
    let mut rows = String::new();
    for row in TABLE {
        let number = *(row.place)(&mut limits);
        // The texts have code in backticks, for the pages in docs/.
        let words = language.pick(row.zh, row.en).replace('`', "");
        writeln!(rows, "<tr><td><code>{}</code></td><td>{number}</td><td>{words}</td></tr>", row.name)
            .expect("writing to a string cannot fail");
    }
    rows
}

/// The table for the pages in `docs/`.
#[cfg(test)]
pub(crate) fn markdown(is_chinese: bool) -> String {
    let mut table = if is_chinese {
        "| `--keep` | 默认 | 限制什么，超出时怎样 |\n| --- | --- | --- |\n".to_owned()
    } else {
        "| `--keep` | default | what is limited, and what happens beyond the limit |
| --- | --- | --- |
"
        .to_owned()
    };
    let mut limits = Limits::DEFAULT;
    for row in TABLE {
        let number = *(row.place)(&mut limits);
        let meaning = if is_chinese { row.zh } else { row.en };
        writeln!(table, "| `{}` | {number} | {meaning} |", row.name)
            .expect("writing to a string cannot fail");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_set_by_its_name() {
        let mut limits = Limits::default();
        limits.set("cards=12").unwrap();
        assert_eq!((limits.cards, limits.of("cards")), (12, Some(12)));
        for wrong in ["cards", "cards=", "cards=0", "cards=-1", "cards=x", "nothing=1", "cards=99999999999"] {
            assert!(limits.set(wrong).is_err(), "{wrong}");
        }
        assert!(limits.set("nothing=1").unwrap_err().contains("requests"), "the error names what there is");
    }
}
