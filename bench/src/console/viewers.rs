//! What people who look at live pages cost delivery: the gateway at its peak, while nobody looks and while ten people do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use serde::Serialize;
use tokio::task::JoinSet;

use super::PERSON;
use super::browser::Browser;
use crate::Result;
use crate::bench::{Bench, Part, say};
use crate::figures::median;
use crate::gateway::Gateway;
use crate::history::{Filled, to_users};
use crate::trial::{self, Figures, Reaches, warm_up};

/// How many look.
const VIEWERS: u32 = 10;

/// What they look at, in turn.
const VIEWED: [&str; 3] = ["/console", "/console", "/console/messages"];

/// What came out: medians of all runs.
#[derive(Debug, Serialize)]
pub(crate) struct Viewers {
    pub(crate) people: u32,
    pub(crate) without: Figures,
    pub(crate) with: Figures,
    /// Medians of neighbouring runs: with viewers, by without.
    pub(crate) rate_ratio: f64,
    pub(crate) cpu_ratio: f64,
    /// How often a page was drawn anew, for all viewers together.
    pub(crate) pages_per_second: f64,
}

/// Measures it, with messages from this number on.
pub(super) async fn measure(bench: &Bench, filled: &Filled, first: u32) -> Result<Viewers> {
    let mut runs = Runs { bench, filled, next: first };
    let (mut without, mut with, mut pages_per_second) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=bench.rounds {
        say(&format!("{}: viewers, round {number} of {}", Part::Console.name(), bench.rounds));
        // There and back, so that what grows from run to run counts for both alike.
        for viewers in [0, VIEWERS, VIEWERS, 0] {
            let (figures, pages) = runs.run(viewers).await?;
            if viewers == 0 {
                without.push(figures);
            } else {
                with.push(figures);
                pages_per_second.push(pages);
            }
        }
    }
    let ratio = |figure: fn(&Figures) -> f64| {
        median(with.iter().zip(&without).map(|(with, without)| figure(with) / figure(without)).collect())
    };
    Ok(Viewers {
        people: VIEWERS,
        rate_ratio: ratio(|figures| figures.delivered_per_second),
        cpu_ratio: ratio(|figures| figures.cpu_seconds_per_thousand),
        without: Figures::medians(&without),
        with: Figures::medians(&with),
        pages_per_second: median(pages_per_second),
    })
}

struct Runs<'a> {
    bench: &'a Bench,
    filled: &'a Filled,
    /// No two loads on a database use a number, and so an idempotency key, twice.
    next: u32,
}

impl Runs<'_> {
    /// One run, and how many pages a second were drawn. The gateway is started anew, so its memory is that of the run.
    async fn run(&mut self, viewers: u32) -> Result<(Figures, f64)> {
        let Self { bench, filled, next } = *self;
        self.next += warm_up(bench.messages) + bench.messages;
        let gateway = Gateway::restart(&bench.hongyan, filled.dir.path(), &bench.sink.url).await?;
        let drawn = Arc::new(AtomicU32::new(0));
        let mut looking = JoinSet::new();
        for number in 0..viewers {
            let browser = Browser::another_login(&gateway.target, PERSON).await?;
            looking.spawn(look(browser, VIEWED[number as usize % VIEWED.len()], Arc::clone(&drawn)));
        }
        let load = to_users(bench, &gateway, filled.users);
        let begin = Instant::now();
        let processes = [&gateway.process];
        let figures = tokio::select! {
            figures = trial::measure(bench, &load, &processes, next, Reaches::Message) => figures?,
            Some(ended) = looking.join_next() => {
                return Err(ended.map_or_else(|error| error.to_string(), |result| {
                    result.err().unwrap_or_else(|| "a live page ended".to_owned())
                }));
            }
        };
        let pages_per_second = f64::from(drawn.load(Ordering::Relaxed)) / begin.elapsed().as_secs_f64();
        // A stop does not wait for live pages, but their requests would be refused.
        looking.shutdown().await;
        gateway.stop().await?;
        Ok((figures, pages_per_second))
    }
}

/// Opens a page and draws it anew after each tick.
async fn look(mut browser: Browser, path: &str, drawn: Arc<AtomicU32>) -> Result {
    let mut ticks = browser.listen().await?;
    browser.open(path).await?;
    while ticks.next().await {
        browser.refresh(path).await?;
        drawn.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
