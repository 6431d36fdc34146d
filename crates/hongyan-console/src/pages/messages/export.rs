//! The messages of a list as a file: CSV for a spreadsheet, or NDJSON for a program.
//!
//! The file is written while it is read: page after page of `/v1/messages`, and the next page when the reader has taken the one
//! before.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hongyan_ui::cells::cell_text;
use http::header;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::list::ListQuery;
use super::words::Words;
use crate::api::Address;
use crate::refusal::Refusal;
use crate::visit::Visit;

/// The most messages of a file.
const MAX_ROWS: u64 = 1_000_000;

/// Beijing's time before that of Greenwich.
const BEIJING: Duration = Duration::from_secs(8 * 3_600);

/// How many messages are read at once: as many as the API gives.
const PAGE: u64 = 1_000;

/// What makes Excel read a file as UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The columns of a CSV file, as the API names them. `reason` is the reason's code.
const COLUMNS: [&str; 20] = [
    "id",
    "app",
    "to",
    "template",
    "channel",
    "state",
    "reason",
    "errcode",
    "explanation",
    "attempt_count",
    "permit",
    "permit_policy",
    "on_unknown",
    "reference",
    "collapse_key",
    "replaced_by",
    "accepted_at",
    "send_at",
    "deadline",
    "updated_at",
];

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Csv,
    Ndjson,
}

#[derive(Deserialize)]
pub(super) struct FormatQuery {
    format: Format,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

/// `GET /console/messages/export`.
pub(super) async fn export(
    visit: Visit,
    Query(format): Query<FormatQuery>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Refusal> {
    write(visit, format.format, &query, MAX_ROWS).await
}

/// Answers with a file of at most so many messages. The first page is read before, so that a refusal is a page.
async fn write(visit: Visit, format: Format, query: &ListQuery, most: u64) -> Result<Response, Refusal> {
    let walk =
        Walk { words: Words(visit.language()), format, address: query.address(), rows: 0, most, visit };
    let first = walk.read(&query.cursor).await?;
    let headers = [
        (header::CONTENT_TYPE, walk.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", walk.file_name())),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    let head = stream::iter([Ok::<_, io::Error>(Bytes::from(walk.head()))]);
    let pages = stream::try_unfold((walk, Some(Next::Page(first))), |(mut walk, next)| async move {
        let page = match next {
            None => return Ok(None),
            Some(Next::Page(page)) => page,
            // The status is sent already. A body that breaks off says that the file is not complete.
            Some(Next::Cursor(cursor)) => {
                walk.read(&cursor).await.map_err(|refusal| io::Error::other(refusal.detail))?
            }
        };
        let text = walk.page(&page)?;
        let next = page.next_cursor.filter(|_| walk.room() > 0).map(Next::Cursor);
        Ok(Some((Bytes::from(text), (walk, next))))
    });
    Ok((headers, Body::from_stream(head.chain(pages))).into_response())
}

/// What a file goes on with.
enum Next {
    /// A page that was read already.
    Page(Page),
    /// The page behind this cursor.
    Cursor(String),
}

/// The way through the pages of a list.
struct Walk {
    visit: Visit,
    words: Words,
    format: Format,
    address: Address,
    /// How many messages are written.
    rows: u64,
    /// How many messages may be written.
    most: u64,
}

impl Walk {
    /// How many messages may still be written.
    const fn room(&self) -> u64 {
        self.most.saturating_sub(self.rows)
    }

    async fn read(&self, cursor: &str) -> Result<Page, Refusal> {
        let limit = PAGE.min(self.room()).to_string();
        self.visit.get(&self.address.clone().with("cursor", Some(cursor)).with("limit", Some(limit))).await
    }

    const fn content_type(&self) -> &'static str {
        match self.format {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Ndjson => "application/x-ndjson; charset=utf-8",
        }
    }

    /// With the date in Beijing, where WeChat counts its days.
    fn file_name(&self) -> String {
        let extension = match self.format {
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
        };
        let now = self.visit.console.gateway.clock.now().plus(BEIJING).to_string();
        let date = now.get(..10).unwrap_or_default();
        format!("hongyan-messages-{date}.{extension}")
    }

    fn head(&self) -> String {
        match self.format {
            Format::Csv => format!("{BYTE_ORDER_MARK}{}\r\n", COLUMNS.join(",")),
            Format::Ndjson => String::new(),
        }
    }

    /// The messages of a page; and that the file was cut, if it was.
    fn page(&mut self, page: &Page) -> io::Result<String> {
        let mut text = String::new();
        for message in &page.messages {
            match self.format {
                Format::Csv => text.push_str(&self.csv(&serde_json::from_str(message.get())?)),
                Format::Ndjson => text.push_str(message.get()),
            }
            text.push_str(self.line_end());
            self.rows += 1;
        }
        if let Some(cursor) = page.next_cursor.as_ref().filter(|_| self.room() == 0) {
            match self.format {
                Format::Csv => text.push_str(&cell(&self.words.cut(self.rows, cursor))),
                Format::Ndjson => {
                    let cut = json!({ "cut": { "rows": self.rows, "next_cursor": cursor } });
                    text.push_str(&cut.to_string());
                }
            }
            text.push_str(self.line_end());
        }
        Ok(text)
    }

    const fn line_end(&self) -> &'static str {
        match self.format {
            Format::Csv => "\r\n",
            Format::Ndjson => "\n",
        }
    }

    fn csv(&self, message: &Value) -> String {
        let reason = &message["reason"];
        let value_of = |column: &str| match column {
            "reason" => &reason["code"],
            "errcode" => &reason["errcode"],
            "explanation" => &reason[self.visit.language().pick("explanation_zh", "explanation")],
            column => &message[column],
        };
        let cells = COLUMNS.map(|column| match value_of(column) {
            Value::Null => String::new(),
            Value::String(text) => cell(text),
            other => other.to_string(),
        });
        cells.join(",")
    }
}

/// A text as a cell of CSV (RFC 4180).
fn cell(text: &str) -> String {
    let text = cell_text(text);
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hongyan_clock::{Clock, UnixMillis};
    use hongyan_gateway::Gateway;
    use hongyan_gateway::config::Settings;
    use hongyan_gateway::people::{Person, Role};
    use hongyan_ledger::ids::IdMaker;
    use hongyan_ledger::{Channel, Lane, OnUnknown, PermitPolicy, PersonId};
    use hongyan_store::types::{AppRecord, NewMessage};
    use hongyan_ui::Language;
    use hongyan_wechat::AppId;
    use http::StatusCode;
    use tempfile::TempDir;

    use super::*;
    use crate::console::Console;
    use crate::words;

    const START: UnixMillis = UnixMillis(1_790_000_000_000);

    fn appid(number: u32) -> AppId {
        format!("wx{number:016}").parse().unwrap()
    }

    /// A gateway with two apps: the first has 2,500 messages, the second one.
    async fn console() -> (TempDir, Gateway, Console) {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            data_dir: directory.path().to_owned(),
            database: Some(format!("sqlite:{}", directory.path().join("test.db").display())),
            wechat_base_url: "http://127.0.0.1:1".parse().unwrap(),
            ..Settings::default()
        };
        let gateway = Gateway::start(settings, Clock::system()).await.unwrap();
        let context = gateway.context().clone();
        let ids = IdMaker::new();
        let message = |appid: AppId, number: u32| {
            let openid = format!("oUser{:023}", number % 7).parse().unwrap();
            let at = UnixMillis(START.0 + i64::from(number));
            NewMessage {
                id: ids.message(Lane::of(&appid, &openid), at),
                appid,
                openid,
                template: format!("template-{}", number % 5).parse().unwrap(),
                channel: Channel::Subscribe,
                body: Arc::from(&b"{}"[..]),
                send_at: at,
                deadline: None,
                policy: PermitPolicy::Require,
                on_unknown: OnUnknown::Hold,
                reserve_now: false,
                reference: Some(format!("=鸿雁,{number}")),
                collapse_key: None,
                idempotency: None,
                own_permit: None,
                accepted_at: at,
                accepted_by: None,
                origin: hongyan_store::types::Origin::default(),
                start: None,
            }
        };
        for number in [1, 2] {
            let app = AppRecord::new(appid(number), vec![1], [7; 32], START);
            assert!(context.store.add_app(app).await.unwrap());
        }
        context.store.accept((0..2_500).map(|number| message(appid(1), number)).collect()).await.unwrap();
        context.store.accept(vec![message(appid(2), 1)]).await.unwrap();
        let console = Console::start(&context);
        (directory, gateway, console)
    }

    /// What a viewer of these apps gets, in lines.
    async fn lines(
        console: &Console,
        apps: Option<Vec<AppId>>,
        format: Format,
        query: &str,
        most: u64,
    ) -> Vec<String> {
        let response = asked(console, apps, format, query, most).await.unwrap();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    async fn asked(
        console: &Console,
        apps: Option<Vec<AppId>>,
        format: Format,
        query: &str,
        most: u64,
    ) -> Result<Response, Refusal> {
        let id = PersonId::from_bytes([1; 16]);
        let visit = Visit {
            is_refresh: false,
            console: console.clone(),
            person: Arc::new(Person { id, name: "vera".into(), role: Role::Viewer, apps }),
            note: None,
            session: None,
            csrf: "".into(),
            words: words::Words(Language::En),
            uri: "/console/messages/export".parse().unwrap(),
            must_set_up_factor: false,
            must_change_password: false,
        };
        let uri = format!("/?{query}").parse().unwrap();
        let Query(query) = Query::try_from_uri(&uri).unwrap();
        write(visit, format, &query, most).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_has_every_message_that_the_filters_let_through() {
        let (_directory, gateway, console) = console().await;
        let rows = async |format, query: &str| lines(&console, None, format, query, MAX_ROWS).await;
        let all = rows(Format::Ndjson, "").await;
        assert_eq!(all.len(), 2_501);
        let ids: std::collections::BTreeSet<_> = all
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 2_501, "each once");
        let of_first = rows(Format::Csv, "app=wx0000000000000001").await;
        assert_eq!(of_first.len(), 1 + 2_500);
        assert_eq!(of_first[0], format!("\u{feff}{}", COLUMNS.join(",")));
        assert!(of_first[1].contains(",\"'=鸿雁,2499\","), "{}", of_first[1]);
        assert!(of_first[1].contains(",failed,no_permit,,"), "{}", of_first[1]);
        let cases = [
            ("app=wx0000000000000001&template=template-3", 500),
            ("app=wx0000000000000001&to=oUser00000000000000000000003", 357),
            ("state=failed", 2_501),
            ("state=sent", 0),
            ("app=wx0000000000000001&reference=%3D%E9%B8%BF%E9%9B%81,77", 1),
            ("app=wx0000000000000002", 1),
        ];
        for (query, count) in cases {
            assert_eq!(rows(Format::Ndjson, query).await.len(), count, "{query}");
        }
        gateway.context().store.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_was_cut_says_so_in_its_last_line() {
        let (_directory, gateway, console) = console().await;
        let mut cut = lines(&console, None, Format::Ndjson, "app=wx0000000000000001", 1_500).await;
        let last: Value = serde_json::from_str(&cut.pop().unwrap()).unwrap();
        assert_eq!((cut.len(), &last["cut"]["rows"]), (1_500, &json!(1_500)));
        let cursor = last["cut"]["next_cursor"].as_str().unwrap();
        let query = format!("app=wx0000000000000001&cursor={cursor}");
        let rest = lines(&console, None, Format::Csv, &query, 1_000).await;
        assert_eq!(rest.len(), 1 + 1_000, "the header and all others, and that is all");
        let cut = lines(&console, None, Format::Csv, &query, 999).await;
        assert!(cut.last().unwrap().starts_with("cut after 999 messages"), "{:?}", cut.last());
        gateway.context().store.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_gets_messages_of_an_app_that_is_not_theirs() {
        let (_directory, gateway, console) = console().await;
        let own = || Some(vec![appid(2)]);
        assert_eq!(lines(&console, own(), Format::Ndjson, "", MAX_ROWS).await.len(), 1);
        let refusal =
            asked(&console, own(), Format::Csv, "app=wx0000000000000001", MAX_ROWS).await.unwrap_err();
        assert_eq!((refusal.status, refusal.code.as_str()), (StatusCode::NOT_FOUND, "unknown_app"));
        gateway.context().store.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_is_named_by_its_date_and_kept_nowhere() {
        let (_directory, gateway, console) = console().await;
        let response = asked(&console, None, Format::Csv, "", 1).await.unwrap();
        let header = |name| response.headers()[name].to_str().unwrap();
        let name = header(header::CONTENT_DISPOSITION);
        let date = name.strip_prefix("attachment; filename=\"hongyan-messages-").unwrap();
        assert!(date.ends_with(".csv\"") && date.len() == "2026-11-27.csv\"".len(), "{name}");
        assert_eq!(header(header::CACHE_CONTROL), "no-store");
        assert_eq!(header(header::CONTENT_TYPE), "text/csv; charset=utf-8");
        gateway.context().store.close().await;
    }

    #[test]
    fn a_cell_is_never_a_formula() {
        let cases = [
            ("order-7", "order-7"),
            ("=1+1", "'=1+1"),
            ("+86", "'+86"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("a,b", "\"a,b\""),
            ("=\"a\"", "\"'=\"\"a\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("鸿雁", "鸿雁"),
        ];
        for (text, expected) in cases {
            assert_eq!(cell(text), expected, "{text}");
        }
    }
}
