//! `GET /v1/stats`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use hongyan_clock::UnixMillis;
use hongyan_ledger::ReasonCode;
use hongyan_ledger::tally::{Counted, Lag, Lags, TallyCause, TallyStep};
use hongyan_store::types::{TallyBy, TallyCounts, TallyFilter, TallyPart};
use hongyan_wechat::{AppId, Errcode, TemplateId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::openapi::Refusals;
use crate::context::Context;
use crate::intake::request::parse;
use crate::problem::{Problem, Query};
use crate::schemas;

/// The most steps of an answer.
const MAX_STEPS: i64 = 1_500;

/// How far an answer goes back unless the caller says how far.
const DEFAULT_SPAN: Duration = Duration::from_secs(24 * 3_600);

/// A longer time is shown in hours unless the caller asks for minutes.
const MINUTES_UP_TO: Duration = Duration::from_secs(6 * 3_600);

/// A longer time is shown in days unless the caller asks for hours.
const HOURS_UP_TO: Duration = Duration::from_secs(14 * 86_400);

/// Which figures to show.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StatsQuery {
    /// Those of this app. Default: of all apps that the key is for.
    #[param(value_type = Option<schemas::AppId>)]
    app: Option<String>,
    /// Those of messages with this template.
    #[param(value_type = Option<schemas::TemplateId>)]
    template: Option<String>,
    /// From the step that this moment lies in. Default: 24 hours before `until`.
    #[param(value_type = Option<schemas::Time>)]
    since: Option<UnixMillis>,
    /// Up to this moment, the step that it lies in included. Default: now.
    #[param(value_type = Option<schemas::Time>)]
    until: Option<UnixMillis>,
    /// How long a step is. Default: a minute for up to 6 hours, an hour for up to 14 days, else a day.
    #[param(value_type = Option<schemas::StatsStep>)]
    step: Option<String>,
    /// Sums for each app or template beside those for each step.
    #[param(inline, value_type = Option<schemas::StatsBy>)]
    by: Option<String>,
}

/// How long messages took from when they were due (`send_at`, or when they were accepted) to when WeChat had taken them.
/// Each number is rounded up to a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SendLag)]
#[allow(clippy::struct_field_names, reason = "the names say the unit")]
struct LagJson {
    /// Half of the messages took no longer.
    #[schema(minimum = 1)]
    p50_ms: u64,
    /// 95 of 100 messages took no longer.
    #[schema(minimum = 1)]
    p95_ms: u64,
    /// No message took longer.
    #[schema(minimum = 1)]
    max_ms: u64,
}

/// How many messages ended for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = StatsReason)]
struct ReasonJson {
    #[schema(value_type = schemas::ReasonCode)]
    reason: ReasonCode,
    /// WeChat's errcode, if WeChat gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::Errcode)]
    errcode: Option<Errcode>,
    #[schema(minimum = 0)]
    count: u64,
}

/// What happened to messages. Each figure counts when something happened, whenever the message was accepted. A message that
/// comes to several of these states is counted in each, once.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = StatsFigures)]
struct FiguresJson {
    /// Messages that were accepted. The repeat of a request with the same idempotency key is not counted.
    #[schema(minimum = 0)]
    accepted: u64,
    /// Messages that WeChat took, and messages of unknown outcome of which somebody found out that WeChat had taken them.
    #[schema(minimum = 0)]
    sent: u64,
    /// Messages that the user got, by WeChat's report.
    #[schema(minimum = 0)]
    delivered: u64,
    /// Messages that the user did not get, by WeChat's report.
    #[schema(minimum = 0)]
    refused: u64,
    /// Messages that came to nothing.
    #[schema(minimum = 0)]
    failed: u64,
    /// Messages whose outcome became unknown, whatever was found out later.
    #[schema(minimum = 0)]
    unknown: u64,
    /// Messages whose deadline passed.
    #[schema(minimum = 0)]
    expired: u64,
    /// Messages that were withdrawn, or replaced by a newer one.
    #[schema(minimum = 0)]
    cancelled: u64,
    /// Attempts that were not the first of their message.
    #[schema(minimum = 0)]
    retried: u64,
    /// `failed` by reason, the most frequent first.
    failed_by: Vec<ReasonJson>,
    /// `refused` by reason, the most frequent first.
    refused_by: Vec<ReasonJson>,
    /// Absent if nothing was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<LagJson>,
}

/// The figures of one step.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsOfStep)]
struct StepJson {
    /// The beginning of the step.
    #[schema(value_type = schemas::Time)]
    start: UnixMillis,
    #[serde(flatten)]
    figures: FiguresJson,
}

/// The figures of one app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsOfApp)]
struct AppJson {
    #[schema(value_type = schemas::AppId)]
    app: AppId,
    #[serde(flatten)]
    figures: FiguresJson,
}

/// The figures of one template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsOfTemplate)]
struct TemplateJson {
    #[schema(value_type = schemas::AppId)]
    app: AppId,
    #[schema(value_type = schemas::TemplateId)]
    template: TemplateId,
    #[serde(flatten)]
    figures: FiguresJson,
}

/// Figures over time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
pub(super) struct StatsAnswer {
    /// How long a step is: longer than asked for if figures of so long ago are not kept in shorter steps.
    #[schema(value_type = schemas::StatsStep)]
    step: &'static str,
    /// The beginning of the first step.
    #[schema(value_type = schemas::Time)]
    since: UnixMillis,
    /// The end of the last step.
    #[schema(value_type = schemas::Time)]
    until: UnixMillis,
    /// All steps in order of time, also those in which nothing happened.
    steps: Vec<StepJson>,
    /// The figures of all steps together.
    totals: FiguresJson,
    /// With `by=app`: the apps for which something was counted, by appid; at most 1,000, those with the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    apps: Option<Vec<AppJson>>,
    /// With `by=template`: the templates for which something was counted, by appid and id; at most 1,000, those with the
    /// most.
    #[serde(skip_serializing_if = "Option::is_none")]
    templates: Option<Vec<TemplateJson>>,
}

/// Show figures over time.
///
/// How many messages were accepted, sent, delivered, refused, … in each step of time. Figures are kept when messages are
/// removed: minutes for 48 hours, hours for 90 days, days (of China, UTC+8) for two years. At most 1,500 steps.
#[utoipa::path(
    get,
    path = "/v1/stats",
    operation_id = "show_stats",
    tag = "messages",
    security(("api_key" = ["messages"])),
    params(StatsQuery),
    responses((status = 200, description = "Figures for each step, and in sum.", body = StatsAnswer), Refusals),
)]
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    Query(query): Query<StatsQuery>,
) -> Result<axum::Json<StatsAnswer>, Problem> {
    // An app that was removed has figures still.
    let apps = caller.listed_apps(query.app.map(|text| parse("app", &text)).transpose()?)?;
    let template = query.template.map(|text| parse("template", &text)).transpose()?;
    let asked = query.step.map(|name| step(&name)).transpose()?;
    let by = query.by.map(|name| by(&name)).transpose()?;
    let period = Period::of(query.since, query.until, asked, context.clock.now())?;
    let Period { step, since, until } = period;
    let counts = context.store.tallies(TallyFilter { apps, template, since, until, step, by }).await?;
    Ok(axum::Json(answer(period, by, counts)))
}

fn step(name: &str) -> Result<TallyStep, Problem> {
    TallyStep::from_name(name).ok_or_else(|| {
        Problem::invalid("step", format!("one of {}", TallyStep::ALL.map(TallyStep::name).join(", ")))
    })
}

fn by(name: &str) -> Result<TallyBy, Problem> {
    TallyBy::from_name(name).ok_or_else(|| {
        Problem::invalid("by", format!("one of {}", TallyBy::ALL.map(TallyBy::name).join(", ")))
    })
}

/// What an answer is about: whole steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period {
    step: TallyStep,
    since: UnixMillis,
    until: UnixMillis,
}

impl Period {
    fn of(
        since: Option<UnixMillis>,
        until: Option<UnixMillis>,
        asked: Option<TallyStep>,
        now: UnixMillis,
    ) -> Result<Self, Problem> {
        let until = until.unwrap_or(now);
        let since = since.unwrap_or_else(|| until.minus(DEFAULT_SPAN));
        if since >= until {
            return Err(Problem::invalid("until", "must be later than since"));
        }
        let span = until.since(since);
        let by_span = if span <= MINUTES_UP_TO {
            TallyStep::Minute
        } else if span <= HOURS_UP_TO {
            TallyStep::Hour
        } else {
            TallyStep::Day
        };
        let step = asked.unwrap_or(by_span).max(TallyStep::finest_at(since, now));
        let (first, last) = (step.start_of(since), step.start_of(UnixMillis(until.0 - 1)));
        let period = Self { step, since: first, until: step.after(last) };
        if period.until.0.saturating_sub(period.since.0) / step.millis() > MAX_STEPS {
            let detail = format!(
                "these would be more than {MAX_STEPS} steps of a {}: ask for longer steps or for a shorter time",
                step.name()
            );
            return Err(Problem::invalid("since", detail));
        }
        Ok(period)
    }

    fn starts(self) -> impl Iterator<Item = UnixMillis> {
        std::iter::successors(Some(self.since), move |start| Some(self.step.after(*start)))
            .take_while(move |start| *start < self.until)
    }
}

/// Counts that become figures.
#[derive(Default)]
struct Sum {
    figures: FiguresJson,
    lags: Lags,
}

impl Sum {
    fn add(&mut self, counted: Counted, count: u64) {
        let figures = &mut self.figures;
        match counted {
            Counted::Accepted => figures.accepted += count,
            Counted::Sent(lag) => {
                figures.sent += count;
                if let Some(lag) = lag {
                    self.lags.add(lag, count);
                }
            }
            Counted::Delivered => figures.delivered += count,
            Counted::Refused(cause) => {
                figures.refused += count;
                add_reason(&mut figures.refused_by, cause, count);
            }
            Counted::Failed(cause) => {
                figures.failed += count;
                add_reason(&mut figures.failed_by, cause, count);
            }
            Counted::Unknown => figures.unknown += count,
            Counted::Expired => figures.expired += count,
            Counted::Cancelled => figures.cancelled += count,
            Counted::Retried => figures.retried += count,
        }
    }

    fn figures(self) -> FiguresJson {
        let Self { mut figures, lags } = self;
        for reasons in [&mut figures.failed_by, &mut figures.refused_by] {
            reasons.sort_by_key(|reason| {
                (std::cmp::Reverse(reason.count), reason.reason.name(), reason.errcode)
            });
        }
        let at_most = |share| lags.quantile(share).map(Lag::at_most);
        figures.lag = at_most(0.5)
            .zip(at_most(0.95))
            .zip(at_most(1.0))
            .map(|((p50_ms, p95_ms), max_ms)| LagJson { p50_ms, p95_ms, max_ms });
        figures
    }
}

fn add_reason(reasons: &mut Vec<ReasonJson>, TallyCause { reason, errcode }: TallyCause, count: u64) {
    match reasons.iter_mut().find(|known| known.reason == reason && known.errcode == errcode) {
        Some(known) => known.count += count,
        None => reasons.push(ReasonJson { reason, errcode, count }),
    }
}

fn answer(period: Period, by: Option<TallyBy>, counts: TallyCounts) -> StatsAnswer {
    let mut totals = Sum::default();
    let mut steps: BTreeMap<UnixMillis, Sum> = BTreeMap::new();
    for (start, counted, count) in counts.steps {
        totals.add(counted, count);
        steps.entry(start).or_default().add(counted, count);
    }
    let mut parts: BTreeMap<(AppId, Option<TemplateId>), Sum> = BTreeMap::new();
    for TallyPart { app, template, counted, count } in counts.parts {
        parts.entry((app, template)).or_default().add(counted, count);
    }
    let (mut apps, mut templates) = (Vec::new(), Vec::new());
    for ((app, template), sum) in parts {
        let figures = sum.figures();
        match template {
            Some(template) => templates.push(TemplateJson { app, template, figures }),
            None => apps.push(AppJson { app, figures }),
        }
    }
    let mut of_step = |start| StepJson { start, figures: steps.remove(&start).unwrap_or_default().figures() };
    StatsAnswer {
        step: period.step.name(),
        since: period.since,
        until: period.until,
        steps: period.starts().map(&mut of_step).collect(),
        totals: totals.figures(),
        apps: (by == Some(TallyBy::App)).then_some(apps),
        templates: (by == Some(TallyBy::Template)).then_some(templates),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::tests::description;

    const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

    fn before(seconds: u64) -> UnixMillis {
        NOW.minus(Duration::from_secs(seconds))
    }

    fn period(since: u64, asked: Option<TallyStep>) -> Result<(TallyStep, usize), Problem> {
        let period = Period::of(Some(before(since)), None, asked, NOW)?;
        Ok((period.step, period.starts().count()))
    }

    #[test]
    fn steps_are_as_long_as_the_time_and_the_age_of_the_figures_make_them() {
        use TallyStep::{Day, Hour, Minute};
        const H: u64 = 3_600;
        assert_eq!(period(6 * H, None).unwrap(), (Minute, 361));
        assert_eq!(period(24 * H, None).unwrap(), (Hour, 25));
        assert_eq!(period(24 * H, Some(Minute)).unwrap(), (Minute, 1_441));
        assert_eq!(period(14 * 24 * H, None).unwrap(), (Hour, 337));
        assert_eq!(period(15 * 24 * H, None).unwrap(), (Day, 16));
        assert_eq!(period(49 * H, Some(Minute)).unwrap(), (Hour, 50), "minutes of then are not kept");
        assert_eq!(period(91 * 24 * H, Some(Hour)).unwrap().0, Day);
        let of_the_past = Period::of(Some(before(49 * H)), Some(before(48 * H)), None, NOW).unwrap();
        assert_eq!((of_the_past.step, of_the_past.starts().count()), (Hour, 2));
    }

    #[test]
    fn a_period_that_is_none_or_too_long_is_refused() {
        let refused = |since, until, asked| Period::of(since, until, asked, NOW).unwrap_err().field.clone();
        assert_eq!(refused(Some(NOW), None, None).as_deref(), Some("until"));
        assert_eq!(refused(None, Some(UnixMillis(i64::MIN)), None).as_deref(), Some("until"));
        assert_eq!(
            refused(Some(before(26 * 3_600)), None, Some(TallyStep::Minute)).as_deref(),
            Some("since")
        );
        assert_eq!(refused(Some(before(89 * 86_400)), None, Some(TallyStep::Hour)).as_deref(), Some("since"));
        assert_eq!(
            refused(Some(UnixMillis(i64::MIN)), Some(UnixMillis::MAX), None).as_deref(),
            Some("since")
        );
    }

    #[test]
    fn every_member_of_the_answer_is_described() {
        let cause = TallyCause { reason: ReasonCode::WechatRefused, errcode: Some(Errcode(43101)) };
        let start = TallyStep::Hour.start_of(NOW);
        let counted = [
            (Counted::Accepted, 5),
            (Counted::Sent(Some(Lag::between(NOW, NOW))), 2),
            (Counted::Failed(cause), 1),
            (Counted::Refused(cause), 1),
        ];
        for by in TallyBy::ALL {
            let part = |(counted, count)| TallyPart {
                app: "wx1".parse().unwrap(),
                template: (by == TallyBy::Template).then(|| "t".parse().unwrap()),
                counted,
                count,
            };
            let counts = TallyCounts {
                steps: counted.map(|(counted, count)| (start, counted, count)).into(),
                parts: counted.map(part).into(),
            };
            let period = Period::of(None, None, None, NOW).unwrap();
            let answer = serde_json::to_value(answer(period, Some(by), counts)).unwrap();
            description().check("Stats", &answer);
            let steps = answer["steps"].as_array().unwrap();
            assert_eq!(
                (steps.len(), &steps[24]["accepted"], &steps[0]["accepted"]),
                (25, &5.into(), &0.into())
            );
            assert_eq!(answer["totals"]["lag"]["p95_ms"], 1);
            assert_eq!(answer["totals"]["failed_by"][0]["errcode"], 43101);
            let part = &answer[if by == TallyBy::App { "apps" } else { "templates" }][0];
            assert_eq!((&part["sent"], &part["app"]), (&2.into(), &"wx1".into()));
        }
    }
}
