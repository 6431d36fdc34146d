//! The tables. Each text stands in both languages side by side, so that no translation is forgotten.

use super::Report;
use super::table::{Language, Table};
use crate::bench::Part;
use crate::callbacks::Callbacks;
use crate::console::{Console, Page};
use crate::contest::{Outcome, Row};
use crate::facade_calls::FacadeCalls;
use crate::half_load::HalfLoad;
use crate::history::{Comparison, History, Level};
use crate::scheduled::Scheduled;
use crate::trial::{Figures, Share};

/// The tables of all measured parts.
pub(super) fn all(report: &Report, language: Language) -> Vec<Table> {
    let mut tables = Vec::new();
    if !report.contest.is_empty() {
        tables.push(contest(report, language));
    }
    tables.extend(report.half_load.as_ref().map(|half_load| of_half_load(half_load, language)));
    tables.extend(report.facade.as_ref().map(|calls| of_facade(calls, language)));
    tables.extend(report.callbacks.as_ref().map(|callbacks| of_callbacks(callbacks, language)));
    tables.extend(report.history.as_ref().map(|history| of_history(history, language)));
    tables.extend(
        report
            .console
            .iter()
            .flat_map(|console| [of_pages(console, language), of_viewers(console, language)]),
    );
    tables.extend(report.scheduled.as_ref().map(|scheduled| of_scheduled(scheduled, language)));
    tables.extend(report.sandbox.as_ref().map(|figures| sandbox(figures, language)));
    tables.push(limit(report, language));
    tables
}

/// A number with `digits` digits after the point, and with commas between thousands.
fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    rest.map_or_else(|| grouped.clone(), |rest| format!("{grouped}.{rest}"))
}

fn count(value: u32) -> String {
    number(f64::from(value), 0)
}

fn ratio(value: f64, to: Option<f64>) -> String {
    to.map_or_else(|| "–".to_owned(), |to| number(value / to, 2))
}

fn contest(report: &Report, language: Language) -> Table {
    let title = match language {
        Language::English => format!(
            "{} messages to {} users over {} connections, medians of {} rounds",
            count(report.messages),
            count(report.users),
            report.connections,
            report.rounds
        ),
        Language::Chinese => format!(
            "{} 条消息，发给 {} 个用户，{} 个连接，{} 轮取中位数",
            count(report.messages),
            count(report.users),
            report.connections,
            report.rounds
        ),
    };
    let header = [
        language.say("program", "程序"),
        language.say("delivered/s", "每秒送达"),
        "×",
        language.say("CPU s per 1,000", "每千条 CPU 秒"),
        "×",
        language.say("peak memory, MiB", "内存峰值（MiB）"),
        language.say("accept p50, ms", "受理 p50（毫秒）"),
        language.say("p99, ms", "p99（毫秒）"),
    ];
    let mut table = Table::new(title, &header);
    let yardstick = report.contest.iter().find(|row| row.part == Part::Forwarder).and_then(Row::figures);
    for row in &report.contest {
        let name = row.part.name().to_owned();
        let figures = match &row.outcome {
            Outcome::Measured(figures) => figures,
            Outcome::NotMeasured(why) => {
                table.row([name, format!("{}{why}", language.say("not measured: ", "未测量："))]);
                continue;
            }
        };
        table.row([
            name,
            number(figures.delivered_per_second, 0),
            ratio(figures.delivered_per_second, yardstick.map(|figures| figures.delivered_per_second)),
            number(figures.cpu_seconds_per_thousand, 4),
            ratio(
                figures.cpu_seconds_per_thousand,
                yardstick.map(|figures| figures.cpu_seconds_per_thousand),
            ),
            number(figures.peak_memory_mib, 1),
            number(figures.accept_p50_ms, 2),
            number(figures.accept_p99_ms, 2),
        ]);
        if figures.processes.len() > 1 {
            for share in &figures.processes {
                table.row(of_share(share));
            }
        }
    }
    table
}

/// The share of one process of a program in the sums of the row above.
fn of_share(share: &Share) -> Vec<String> {
    vec![
        format!("– {}", share.name),
        String::new(),
        String::new(),
        number(share.cpu_seconds_per_thousand, 4),
        String::new(),
        number(share.peak_memory_mib, 1),
        String::new(),
        String::new(),
    ]
}

/// A table with two columns: a name and its value.
fn facts<const N: usize>(title: &str, language: Language, facts: [(&str, &str, String); N]) -> Table {
    let mut table = Table::new(title, &["", language.say("measured", "实测")]);
    for (english, chinese, value) in facts {
        table.row([language.say(english, chinese).to_owned(), value]);
    }
    table
}

fn of_half_load(half_load: &HalfLoad, language: Language) -> Table {
    let title = language.say(
        "half-load: the gateway at half of its peak rate, single messages",
        "half-load：网关在峰值一半的负载下，单条消息",
    );
    facts(
        title,
        language,
        [
            (
                "requests/s, without waiting for answers",
                "每秒请求数（不等应答）",
                number(half_load.requests_per_second, 0),
            ),
            ("time to accept, p50, ms", "受理耗时 p50（毫秒）", number(half_load.accept_p50_ms, 2)),
            ("p99, ms", "p99（毫秒）", number(half_load.accept_p99_ms, 2)),
            ("longest, ms", "最长（毫秒）", number(half_load.accept_max_ms, 2)),
            ("CPU s per 1,000", "每千条 CPU 秒", number(half_load.cpu_seconds_per_thousand, 4)),
        ],
    )
}

fn of_facade(calls: &FacadeCalls, language: Language) -> Table {
    let title = language.say(
        "facade: calls that are passed through, one at a time",
        "facade：经兼容接口透传的调用，一次一个",
    );
    let more = (calls.facade_p50_ms - calls.direct_p50_ms) * 1_000.0;
    facts(
        title,
        language,
        [
            ("directly to WeChat, p50, ms", "直接调用微信 p50（毫秒）", number(calls.direct_p50_ms, 3)),
            ("p99, ms", "p99（毫秒）", number(calls.direct_p99_ms, 3)),
            ("through the gateway, p50, ms", "经网关 p50（毫秒）", number(calls.facade_p50_ms, 3)),
            ("p99, ms", "p99（毫秒）", number(calls.facade_p99_ms, 3)),
            ("added by the gateway, p50, µs", "网关增加的 p50（微秒）", number(more, 0)),
        ],
    )
}

fn of_callbacks(callbacks: &Callbacks, language: Language) -> Table {
    facts(
        language.say("callbacks: WeChat's pushes to the gateway", "callbacks：微信向网关推送事件"),
        language,
        [
            (
                "pushes/s, without waiting for answers",
                "每秒推送数（不等应答）",
                number(callbacks.pushes_per_second, 0),
            ),
            ("time to answer, p50, ms", "应答耗时 p50（毫秒）", number(callbacks.answer_p50_ms, 2)),
            ("p99, ms", "p99（毫秒）", number(callbacks.answer_p99_ms, 2)),
            ("longest, ms", "最长（毫秒）", number(callbacks.answer_max_ms, 2)),
            ("CPU s per 1,000", "每千次 CPU 秒", number(callbacks.cpu_seconds_per_thousand, 4)),
        ],
    )
}

fn of_history(history: &History, language: Language) -> Table {
    let title = language.say(
        "history: the gateway with few and with many stored messages",
        "history：库中消息少与多时的网关",
    );
    let header = [
        language.say("stored messages", "库中消息数"),
        language.say("to users", "属于用户"),
        language.say("database, MiB", "数据库（MiB）"),
        language.say("load: to users", "负载：发给用户"),
        language.say("start, s", "启动（秒）"),
        language.say("CPU s per 1,000", "每千条 CPU 秒"),
        "×",
        language.say("delivered/s", "每秒送达"),
        "×",
        language.say("peak memory, MiB", "内存峰值（MiB）"),
        language.say("accept p50, ms", "受理 p50（毫秒）"),
        language.say("p99, ms", "p99（毫秒）"),
    ];
    let mut table = Table::new(title, &header);
    for Comparison { few, many } in [&history.in_turn, &history.to_each] {
        for Level { stored_messages, stored_users, users, database_mib, start_seconds, figures } in
            [few, many]
        {
            let few = &few.figures;
            table.row([
                count(*stored_messages),
                count(*stored_users),
                number(*database_mib, 0),
                count(*users),
                number(*start_seconds, 2),
                number(figures.cpu_seconds_per_thousand, 4),
                ratio(figures.cpu_seconds_per_thousand, Some(few.cpu_seconds_per_thousand)),
                number(figures.delivered_per_second, 0),
                ratio(figures.delivered_per_second, Some(few.delivered_per_second)),
                number(figures.peak_memory_mib, 1),
                number(figures.accept_p50_ms, 2),
                number(figures.accept_p99_ms, 2),
            ]);
        }
    }
    table
}

fn of_pages(console: &Console, language: Language) -> Table {
    let title = match language {
        Language::English => format!(
            "console: pages, with {} stored messages and {} messages a second",
            count(console.stored_messages),
            count(console.messages_per_second)
        ),
        Language::Chinese => format!(
            "console：库中 {} 条消息、每秒 {} 条消息时的控制台页面",
            count(console.stored_messages),
            count(console.messages_per_second)
        ),
    };
    let header = [
        language.say("page", "页面"),
        language.say("opened", "打开次数"),
        language.say("p50, ms", "p50（毫秒）"),
        language.say("p95, ms", "p95（毫秒）"),
        language.say("longest, ms", "最长（毫秒）"),
        language.say("HTML, KiB", "HTML（KiB）"),
        language.say("first paint, KiB", "首次绘制（KiB）"),
    ];
    let mut table = Table::new(title, &header);
    for Page { name, opened, p50_ms, p95_ms, max_ms, html_kib, first_paint_kib } in &console.pages {
        table.row([
            language.say(name.0, name.1).to_owned(),
            opened.to_string(),
            number(*p50_ms, 1),
            number(*p95_ms, 1),
            number(*max_ms, 1),
            number(*html_kib, 1),
            number(*first_paint_kib, 1),
        ]);
    }
    table
}

fn of_viewers(console: &Console, language: Language) -> Table {
    let viewers = &console.viewers;
    let title = match language {
        Language::English => {
            format!("console: the gateway at its peak while {} people look at live pages", viewers.people)
        }
        Language::Chinese => format!("console：{} 人同时查看实时页面时网关的峰值", viewers.people),
    };
    let header = [
        language.say("people who look", "查看人数"),
        language.say("pages/s", "每秒页面数"),
        language.say("delivered/s", "每秒送达"),
        "×",
        language.say("CPU s per 1,000", "每千条 CPU 秒"),
        "×",
        language.say("peak memory, MiB", "内存峰值（MiB）"),
        language.say("accept p50, ms", "受理 p50（毫秒）"),
        language.say("p99, ms", "p99（毫秒）"),
    ];
    let mut table = Table::new(title, &header);
    let runs = [
        (0, 0.0, &viewers.without, 1.0, 1.0),
        (viewers.people, viewers.pages_per_second, &viewers.with, viewers.rate_ratio, viewers.cpu_ratio),
    ];
    for (people, pages, figures, rate_ratio, cpu_ratio) in runs {
        table.row([
            people.to_string(),
            number(pages, 1),
            number(figures.delivered_per_second, 0),
            number(rate_ratio, 3),
            number(figures.cpu_seconds_per_thousand, 4),
            number(cpu_ratio, 3),
            number(figures.peak_memory_mib, 1),
            number(figures.accept_p50_ms, 2),
            number(figures.accept_p99_ms, 2),
        ]);
    }
    table
}

fn of_scheduled(scheduled: &Scheduled, language: Language) -> Table {
    let title =
        language.say("scheduled: the gateway with scheduled messages", "scheduled：库中有大量定时消息的网关");
    facts(
        title,
        language,
        [
            ("scheduled messages", "定时消息数", count(scheduled.stored_messages)),
            ("database, MiB", "数据库（MiB）", number(scheduled.database_mib, 0)),
            ("index of due messages, MiB", "到期消息索引（MiB）", number(scheduled.due_index_mib, 0)),
            ("start until ready, s", "启动至就绪（秒）", number(scheduled.start_seconds, 2)),
            ("memory when ready, MiB", "就绪时内存（MiB）", number(scheduled.memory_at_start_mib, 1)),
            ("memory after the load, MiB", "负载后内存（MiB）", number(scheduled.memory_after_load_mib, 1)),
            ("load: delivered/s", "负载：每秒送达", number(scheduled.load.delivered_per_second, 0)),
            (
                "load: CPU s per 1,000",
                "负载：每千条 CPU 秒",
                number(scheduled.load.cpu_seconds_per_thousand, 4),
            ),
            (
                "delay after the scheduled time, idle, p50, ms",
                "空闲时到点后多久发出 p50（毫秒）",
                number(scheduled.lag_p50_ms, 2),
            ),
            ("p99, ms", "p99（毫秒）", number(scheduled.lag_p99_ms, 2)),
            ("longest, ms", "最长（毫秒）", number(scheduled.lag_max_ms, 2)),
        ],
    )
}

fn sandbox(figures: &Figures, language: Language) -> Table {
    facts(
        language
            .say("sandbox: subscribe messages sent directly to the sandbox", "sandbox：直接向沙箱发订阅消息"),
        language,
        [
            ("requests/s", "每秒请求数", number(figures.delivered_per_second, 0)),
            ("CPU s per 1,000", "每千次 CPU 秒", number(figures.cpu_seconds_per_thousand, 4)),
            ("peak memory, MiB", "内存峰值（MiB）", number(figures.peak_memory_mib, 1)),
            ("time to answer, p50, ms", "应答耗时 p50（毫秒）", number(figures.accept_p50_ms, 2)),
            ("p99, ms", "p99（毫秒）", number(figures.accept_p99_ms, 2)),
        ],
    )
}

fn limit(report: &Report, language: Language) -> Table {
    facts(
        language.say("Limits of this machine", "这台机器的上限"),
        language,
        [
            (
                "SQLite rows/s, 64 rows per durable commit",
                "SQLite 每秒行数（每次落盘提交 64 行）",
                number(report.limit.rows_per_second, 0),
            ),
            (
                "fsyncs/s, 4 KiB each",
                "每秒 fsync 次数（每次 4 KiB）",
                number(report.limit.fsyncs_per_second, 0),
            ),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_separate_thousands() {
        assert_eq!(number(1_234_567.0, 0), "1,234,567");
        assert_eq!(number(999.0, 0), "999");
        assert_eq!(number(1_234.567, 2), "1,234.57");
        assert_eq!(number(0.0381, 4), "0.0381");
    }
}
