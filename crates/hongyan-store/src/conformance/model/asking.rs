//! Grants and messages, as back ends ask for them.

use std::sync::Arc;
use std::time::Duration;

use hongyan_clock::UnixMillis;
use hongyan_ledger::permit::FORM_LIFETIME;
use hongyan_ledger::{Channel, MessageState as S, PermitKind};

use super::super::world::{appid, template, user};
use super::rules::{Message, lane};
use super::run::Run;
use super::verbs::{Offer, Wish};
use crate::types::{Accepted, Idempotency, NewMessage, NewPermit, Origin};

impl Run {
    pub(super) fn new_permit(&self, number: usize, offer: Offer) -> NewPermit {
        let now = self.model.now;
        let Offer { kind, count, code } = offer;
        let is_subscription = kind.channel() == Channel::Subscribe;
        NewPermit {
            id: self.world.ids.permit(lane(number), now),
            appid: appid(),
            openid: user(number as u32),
            kind,
            code: (!is_subscription).then(|| format!("{kind:?}-{code}")),
            template: is_subscription.then(|| template("sub")),
            count: if kind == PermitKind::Form { 1 } else { count },
            expires_at: (!is_subscription).then(|| now.plus(FORM_LIFETIME)),
            reported_by: None,
            claim: None,
        }
    }

    pub(super) async fn grant(&mut self, user: usize, offered: &[Offer]) {
        let new: Vec<NewPermit> = offered.iter().map(|&offer| self.new_permit(user, offer)).collect();
        let granted = self.world.store.grant(new.clone(), self.model.now).await.unwrap();
        assert_eq!(granted.len(), new.len());
        for (new, granted) in new.iter().zip(granted) {
            let (duplicate, id) = self.model.granted(user, new);
            assert_eq!(granted.duplicate, duplicate, "the same code twice is one permit");
            assert_eq!(granted.id, id.unwrap_or(new.id));
        }
    }

    fn new_message(&self, wish: &Wish) -> NewMessage {
        let now = self.model.now;
        let send_at = now.plus(Duration::from_secs(wish.wait_s));
        // Like the gateway: while a scheduled message of the lane is due, no message is started directly.
        let room = wish.room && !self.model.is_timer_due(wish.user);
        NewMessage {
            id: self.world.ids.message(lane(wish.user), now),
            appid: appid(),
            openid: user(wish.user as u32),
            template: template(if wish.legacy { "legacy" } else { "sub" }),
            channel: if wish.legacy { Channel::Legacy } else { Channel::Subscribe },
            body: Arc::from(&b"{}"[..]),
            send_at,
            deadline: wish.patience_s.map(|seconds| send_at.plus(Duration::from_secs(seconds))),
            policy: wish.policy,
            on_unknown: wish.on_unknown,
            reserve_now: wish.reserve,
            reference: None,
            // The numbers of the wait policy and of the channel stand for the whole request.
            idempotency: wish
                .key
                .map(|key| Idempotency { key_hash: [key; 8], fingerprint: [fingerprint(wish); 8] }),
            own_permit: wish.own.map(|own| self.new_permit(wish.user, own)),
            accepted_at: now,
            collapse_key: wish.collapse.map(|key| format!("about {key}")),
            accepted_by: None,
            origin: Origin::default(),
            start: room.then(|| self.world.epoch(lane(wish.user))),
        }
    }

    pub(super) async fn accept(&mut self, wishes: &[Wish]) {
        let new: Vec<NewMessage> = wishes.iter().map(|wish| self.new_message(wish)).collect();
        let answers = self.world.store.accept(new.clone()).await.unwrap();
        assert_eq!(answers.len(), new.len());
        let before = self.model.messages.len();
        for ((wish, new), answer) in wishes.iter().zip(new).zip(answers) {
            let known = self.model.known(wish.user, wish.key);
            match answer {
                Accepted::New { claimed, state, .. } => {
                    assert_eq!(known, None, "its key was known");
                    assert_eq!(claimed.is_some(), state == S::Sending);
                    self.flying.extend(claimed.map(|claimed| *claimed));
                    self.begun(wish, &new);
                }
                Accepted::Replayed { id, state, .. } => {
                    assert_eq!(known, Some((id, fingerprint(wish))), "replayed");
                    // If an earlier message of the same call has the key, the model learns that only afterwards.
                    let there = self.model.messages.iter().take(before).find(|message| message.id == id);
                    assert!(wishes.len() > 1 || there.is_some_and(|message| message.state == state));
                }
                Accepted::KeyReused { id } => {
                    let (earlier, other) = known.expect("a key that is reused was used");
                    assert!(earlier == id && other != fingerprint(wish));
                }
            }
        }
    }

    /// A message was accepted. The audit finds out its state.
    fn begun(&mut self, wish: &Wish, new: &NewMessage) {
        if let Some(key) = wish.key {
            self.model.keys.insert((wish.user, key), (new.id, fingerprint(wish)));
        }
        if let Some(own) = &new.own_permit {
            self.model.granted(wish.user, own);
        }
        self.model.messages.push(Message {
            id: new.id,
            user: wish.user,
            channel: new.channel,
            policy: wish.policy,
            on_unknown: wish.on_unknown,
            has_own: wish.own.is_some(),
            collapse: wish.collapse,
            send_at: new.send_at,
            deadline: new.deadline,
            state: S::Scheduled,
            permit: None,
            keeps_unit: false,
            maybe_delivered: false,
            attempts: 0,
            attempted_at: UnixMillis(0),
            backs_off_until: UnixMillis(0),
        });
    }
}

const fn fingerprint(wish: &Wish) -> u8 {
    (wish.wait_s % 251) as u8 ^ wish.legacy as u8
}
