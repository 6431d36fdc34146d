//! `/v1/apps/{appid}/library`: WeChat's public templates, from which an app may choose.

use axum::extract::State;
use hongyan_ledger::Channel;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::bounded::Whole;
use crate::api::caller::Caller;
use crate::api::openapi::Refusals;
use crate::context::Context;
use crate::problem::{Path, Problem, Query};
use crate::schemas;
use crate::templates::{Keyword, Title};

/// The largest page of titles, and the default. Source: WeChat's pages of the calls.
const PAGE: u32 = 30;

/// The largest page of titles of the old library.
const LEGACY_PAGE: u32 = 20;

/// The longest list of categories: longer than the list of any app.
const MAX_CATEGORIES_CHARS: usize = 256;

/// The largest `start`: WeChat counts titles in 32 bits.
const MAX_START: u32 = i32::MAX as u32;

/// What to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LibraryQuery {
    /// Which library. Default: `subscribe`.
    #[param(value_type = Option<schemas::Channel>)]
    channel: Option<Channel>,
    /// Show the keywords of this title instead of a list of titles.
    #[param(min_length = 1, max_length = 32, pattern = "^[A-Za-z0-9]+$", example = "250")]
    tid: Option<String>,
    /// Only titles of these categories, as numbers with commas. Absent: of all categories that the app has.
    #[param(min_length = 1, max_length = 256, pattern = "^[0-9,]+$", example = "616,307")]
    category: Option<String>,
    /// How many titles to skip.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 2_147_483_647, default = 0)]
    start: Option<Whole<0, MAX_START>>,
    /// How many titles to show: 1 to 30, of the old library 1 to 20.
    #[param(minimum = 1, maximum = 30)]
    limit: Option<u32>,
}

/// A page of titles, or the keywords of one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = LibraryPage)]
pub(super) enum LibraryAnswer {
    Titles(TitlesJson),
    Keywords(KeywordsJson),
}

/// A page of titles.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LibraryTitles)]
pub(super) struct TitlesJson {
    /// The app's categories; the old library has none.
    categories: Vec<CategoryJson>,
    titles: Vec<Title>,
    /// How many titles there are in all.
    total: u64,
    /// Where the next page starts. Absent: this is the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_start: Option<u32>,
}

/// A service category of the app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LibraryCategory)]
struct CategoryJson {
    id: u64,
    name: String,
}

/// The keywords of a title.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LibraryKeywords)]
pub(super) struct KeywordsJson {
    tid: String,
    keywords: Vec<Keyword>,
}

/// Look through WeChat's public templates: titles, or with `tid` the keywords of one.
///
/// WeChat is asked each time. Give `next_start` back as `start` for the next page.
#[utoipa::path(
    get,
    path = "/v1/apps/{appid}/library",
    operation_id = "look_through_library",
    tag = "apps",
    security(("api_key" = ["apps"])),
    params(("appid" = schemas::AppId, Path), LibraryQuery),
    responses((status = 200, description = "Titles, or keywords.", body = LibraryAnswer), Refusals),
)]
pub(super) async fn library(
    State(context): State<Context>,
    caller: Caller,
    Path(appid): Path<String>,
    Query(query): Query<LibraryQuery>,
) -> Result<axum::Json<LibraryAnswer>, Problem> {
    let appid = caller.app_at(&context, &appid)?.record.appid.clone();
    let channel = query.channel.unwrap_or(Channel::Subscribe);
    if let Some(tid) = query.tid {
        let keywords = context.apps.public_keywords(&appid, channel, &tid).await?;
        return Ok(axum::Json(LibraryAnswer::Keywords(KeywordsJson { tid, keywords })));
    }
    let most = if channel == Channel::Legacy { LEGACY_PAGE } else { PAGE };
    let limit = query.limit.unwrap_or(most);
    if !(1..=most).contains(&limit) {
        return Err(Problem::invalid("limit", format!("1 to {most}")));
    }
    let category = query.category.as_deref();
    check_category(category)?;
    let start = query.start.map_or(0, |start| start.0);
    let found = context.apps.public_titles(&appid, channel, category, start, limit).await?;
    let end = start.saturating_add(found.titles.len() as u32);
    let is_last = found.titles.is_empty() || u64::from(end) >= found.total;
    let category =
        |category: hongyan_wechat::templates::Category| CategoryJson { id: category.id, name: category.name };
    Ok(axum::Json(LibraryAnswer::Titles(TitlesJson {
        categories: found.categories.into_iter().map(category).collect(),
        titles: found.titles,
        total: found.total,
        next_start: (!is_last).then_some(end),
    })))
}

fn check_category(category: Option<&str>) -> Result<(), Problem> {
    let good = |text: &str| {
        (1..=MAX_CATEGORIES_CHARS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b',')
    };
    match category {
        Some(text) if !good(text) => {
            Err(Problem::invalid("category", "numbers of categories, with commas between them: 616,307"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::tests::description;

    #[test]
    fn every_member_of_an_answer_is_described() {
        let description = description();
        let titles = TitlesJson {
            categories: vec![CategoryJson { id: 616, name: "餐饮".into() }],
            titles: vec![Title {
                tid: "250".into(),
                title: "取餐提醒".into(),
                kind: "once",
                category: Some("616".into()),
            }],
            total: 40,
            next_start: Some(30),
        };
        description.check("LibraryPage", &serde_json::to_value(LibraryAnswer::Titles(titles)).unwrap());
        let keyword = Keyword {
            keyword: 1,
            name: "取餐码".into(),
            example: "A038".into(),
            kind: "thing".into(),
            rule: Some("short"),
            rule_zh: Some("短"),
        };
        let keywords = KeywordsJson { tid: "250".into(), keywords: vec![keyword] };
        description.check("LibraryPage", &serde_json::to_value(LibraryAnswer::Keywords(keywords)).unwrap());
    }

    #[test]
    fn categories_are_numbers() {
        assert!(check_category(None).is_ok() && check_category(Some("616,307")).is_ok());
        for bad in ["", "food", "616&x=1", &"1".repeat(257)] {
            assert!(check_category(Some(bad)).is_err(), "{bad}");
        }
    }
}
