//! What a message costs in the store, next to the least that a durable message can cost on the same machine.
//!
//! `cargo run --release -p hongyan-store --example store_bench [MESSAGES] [ROUNDS] [FILE]`
//!
//! 64 tasks accept and settle messages, each with an idempotency key and a permit of its own user. The yardstick
//! (`plain.rs`) sends as many rows through a group-committing writer that inserts into one table and updates by row number.
//! A third variant is the store with a webhook that wants every message, so that each settlement stores an event. The
//! variants take turns, on fresh files; the medians are printed. Only ratios within one run mean something: machines differ,
//! and so do their hours.
//!
//! With FILE, only the store is measured, in this file. If the file does not exist, it is made with a million users. The
//! file grows with each run: one run makes a long history, and the next run measures what the history costs.
//!
//! Pages are counted in the log itself, in a pass of its own (`log.rs`). Then two things are measured that must stay cheap:
//! a user with a thousand old permits, and `reach` over all users.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hongyan_store::Store;
use hongyan_store::sqlite::{SqliteConfig, SqliteStore};

mod log;
mod plain;
mod world;

use world::World;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Messages that are on their way at once.
const AT_ONCE: usize = 64;

/// Messages of the pass that counts pages.
const COUNTED: usize = 4000;

/// What a number of messages cost.
struct Cost {
    wall: Duration,
    cpu: Duration,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let messages: usize = args.next().map_or(Ok(20_000), |text| text.parse())?;
    let rounds: usize = args.next().map_or(Ok(5), |text| text.parse())?;
    if let Some(path) = args.next() {
        return in_history(Path::new(&path), messages, rounds).await;
    }
    let dir = tempfile::tempdir()?;
    let (mut plain, mut full, mut telling) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let writer = Arc::new(plain::Plain::open(&dir.path().join(format!("plain-{round}.db")))?);
        plain.push(measured(messages, move |_| plain::one(Arc::clone(&writer))).await?);

        for (name, costs) in [("full", &mut full), ("telling", &mut telling)] {
            let path = dir.path().join(format!("{name}-{round}.db"));
            let world = Arc::new(World::fill(SqliteStore::open(SqliteConfig::new(path))?, messages).await?);
            if name == "telling" {
                world.add_webhook().await?;
            }
            let sending = Arc::clone(&world);
            costs.push(measured(messages, move |n| Arc::clone(&sending).send(n)).await?);
            world.store.close().await;
        }
    }
    let [plain, full, telling] = [&plain, &full, &telling].map(|costs| median(costs, messages));
    println!("                       messages/s   CPU s per 1,000");
    println!("plain table            {:>10.0}   {:>15.4}", plain.0, plain.1);
    println!("the store              {:>10.0}   {:>15.4}", full.0, full.1);
    println!("the same, for a webhook{:>10.0}   {:>15.4}", telling.0, telling.1);
    println!("ratio to the plain     {:>10.2}   {:>15.2}", full.0 / plain.0, full.1 / plain.1);
    println!("webhook to none        {:>10.2}   {:>15.2}", telling.0 / full.0, telling.1 / full.1);
    pages(dir.path(), messages).await?;
    extremes(dir.path()).await
}

/// The store alone, on top of the history that a file has already.
async fn in_history(path: &Path, messages: usize, rounds: usize) -> Result<()> {
    const USERS: usize = 1_000_000;
    let is_new = !path.exists();
    let begin = Instant::now();
    let store = SqliteStore::open(SqliteConfig::new(path))?;
    println!("opened in {:?}", begin.elapsed());
    let filled = if is_new { World::fill(store, USERS).await? } else { World::again(store, USERS).await? };
    let world = Arc::new(filled);
    let mut costs = Vec::new();
    for _ in 0..rounds {
        let sending = Arc::clone(&world);
        costs.push(measured(messages, move |n| Arc::clone(&sending).send(n)).await?);
    }
    let (rate, cpu) = median(&costs, messages);
    println!("messages/s {rate:.0}, CPU s per 1,000 {cpu:.4}");
    println!("one message alone, accepted and settled: {:?}", world.alone(1).await?);
    let begin = Instant::now();
    println!("reach over {} users: {:?}", world.reach().await?.users, begin.elapsed());
    world.store.close().await;
    Ok(())
}

/// Lets the tasks do `messages` pieces of work, numbered from 0.
async fn measured<W, F>(messages: usize, work: W) -> Result<Cost>
where
    W: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = Result<()>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let (begin, cpu) = (Instant::now(), cpu()?);
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (next, work) = (Arc::clone(&next), work.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= messages {
                        return Result::Ok(());
                    }
                    work(number).await?;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(Cost { wall: begin.elapsed(), cpu: self::cpu()?.saturating_sub(cpu) })
}

/// Messages a second, and CPU seconds per 1,000: the medians of all rounds.
fn median(costs: &[Cost], messages: usize) -> (f64, f64) {
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let thousands = messages as f64 / 1000.0;
    let speed = costs.iter().map(|cost| messages as f64 / cost.wall.as_secs_f64()).collect();
    let cpu = costs.iter().map(|cost| cost.cpu.as_secs_f64() / thousands).collect();
    (middle(speed), middle(cpu))
}

/// CPU time of this process so far: fields 14 and 15 of its `stat`, after the name (proc(5)), in hundredths of a second.
fn cpu() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1.split_whitespace();
    let ticks = fields.skip(11).take(2).map(str::parse::<u64>).sum::<std::result::Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// Counts the pages that messages write, by table, in the database that the first round left.
async fn pages(dir: &Path, users: usize) -> Result<()> {
    let path = dir.join("full-0.db");
    let world = Arc::new(World::again(SqliteStore::open(SqliteConfig::new(&path))?, users).await?);
    let kept = log::Kept::from_here(&path)?;
    let sending = Arc::clone(&world);
    measured(COUNTED, move |n| Arc::clone(&sending).send(n)).await?;
    let written = kept.count(&path)?;
    world.store.close().await;
    let per_message = |frames: usize| frames as f64 / COUNTED as f64;
    println!("\nlog pages per message: {:.2}", per_message(written.frames));
    for (table, frames) in &written.by_table {
        println!("  {:<20} {:.3}", table, per_message(*frames));
    }
    println!("messages per commit (each is committed twice): {:.1}", 2.0 / per_message(written.commits));
    Ok(())
}

/// What grows with history: one user's permits, and the permits of all users.
async fn extremes(dir: &Path) -> Result<()> {
    const OLD_PERMITS: usize = 1000;
    const USERS: usize = 100_000;
    let store = SqliteStore::open(SqliteConfig::new(dir.join("extremes.db")))?;
    let world = Arc::new(World::fill(store, USERS).await?);
    let light = world.alone(1).await?;
    world.burden(2, OLD_PERMITS).await?;
    let heavy = world.alone(2).await?;
    println!("\none message alone, accepted and settled: {light:?}");
    println!("the same, its user has {OLD_PERMITS} old permits: {heavy:?}");
    let begin = Instant::now();
    let reach = world.reach().await?;
    println!("reach over {} users: {:?}", reach.users, begin.elapsed());
    world.store.close().await;
    Ok(())
}
