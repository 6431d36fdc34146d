//! Several calls at once, and whether the units balance afterwards.

use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_ledger::{Lane, MessageState as S};
use hongyan_wechat::OpenId;
use tokio::sync::Barrier;

use super::world::{World, appid, user};

/// Runs all of these at once, each in its own task. Returns their answers, in order.
pub(super) async fn at_once<T, Asked>(all: impl IntoIterator<Item = Asked>) -> Vec<T>
where
    T: Send + 'static,
    Asked: Future<Output = T> + Send + 'static,
{
    let all: Vec<Asked> = all.into_iter().collect();
    let gate = Arc::new(Barrier::new(all.len()));
    let start = |asked: Asked| {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            gate.wait().await;
            asked.await
        })
    };
    let tasks: Vec<_> = all.into_iter().map(start).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// As many users of one lane.
pub(super) fn users_of(lane: Lane, count: usize) -> Vec<OpenId> {
    (0..).map(user).filter(|openid| Lane::of(&appid(), openid) == lane).take(count).collect()
}

/// Compares the permits of users with their messages. Each permit balances. One unit is spent for each message that WeChat
/// took. One unit is reserved for each message that is in flight, and for each open or doubtful message that names the
/// permit. A user has at most one message in flight.
pub(super) async fn assert_balance(world: &World, users: &[OpenId], now: UnixMillis) {
    for openid in users {
        let messages = world.messages_of(openid).await;
        let sending = messages.iter().filter(|message| message.state == S::Sending).count();
        assert!(sending <= 1, "{sending} in flight: {messages:#?}");
        for view in world.store.permits(appid(), openid.clone(), now).await.unwrap() {
            assert!(view.totals.balance(), "{view:?}");
            let naming = |is_meant: fn(S) -> bool| {
                let meant = messages.iter().filter(|message| message.permit == Some(view.permit.id));
                meant.filter(|message| is_meant(message.state)).count() as u32
            };
            let spent = naming(|state| matches!(state, S::Sent | S::Delivered | S::Refused));
            let reserved = naming(|state| state.is_cancellable() || matches!(state, S::Sending | S::Unknown));
            let totals = view.totals;
            assert_eq!((totals.spent, totals.reserved), (spent, reserved), "{view:?}\n{messages:#?}");
        }
    }
}
