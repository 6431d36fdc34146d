//! Events that WeChat pushes: received, and worked on.

use hongyan_ledger::sent_report::{PATIENCE, SentReport, look_again};
use hongyan_ledger::{MessageState as S, PermitKind};
use hongyan_wechat::Errcode;

use super::super::world::{appid, template, user};
use super::rules::{Event, lane};
use super::run::Run;
use super::verbs::{Offer, Push};
use crate::types::{ApplyOrder, CallbackAction, Effect, EventState, NewEvent, Received};

impl Run {
    pub(super) async fn receive(&mut self, number: usize, push: Push) {
        let now = self.model.now;
        self.pushes += 1;
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&self.pushes.to_le_bytes());
        let event = NewEvent {
            id: self.world.ids.event(lane(number), now),
            appid: appid(),
            openid: Some(user(number as u32)),
            name: "an_event".into(),
            digest,
            nonce_hash: digest,
            nonce_expires_at: now,
            create_time: now.as_seconds(),
            received_at: now,
            is_sent_report: false,
            body: "{}".into(),
        };
        let id = event.id;
        assert_eq!(self.world.store.receive_event(event.clone()).await.unwrap(), Received::New);
        assert_eq!(self.world.store.receive_event(event).await.unwrap(), Received::Repeated { id });
        self.model.events.push(Event { id, user: number, push, received_at: now, tries: 0, wake_at: now });
    }

    /// Takes the due events of the user's lane, and does what they ask for.
    pub(super) async fn work(&mut self, number: usize) {
        let (lane_of_user, now) = (lane(number), self.model.now);
        let open = self.world.store.open_events(lane_of_user, now, 100).await.unwrap();
        self.begin_work(lane_of_user, open.next_wake);
        let due: Vec<Event> = self
            .model
            .events
            .iter()
            .filter(|event| lane(event.user) == lane_of_user && event.wake_at <= now)
            .cloned()
            .collect();
        let found: Vec<_> = open.due.iter().map(|view| view.id).collect();
        assert_eq!(found, due.iter().map(|event| event.id).collect::<Vec<_>>(), "what is due");
        for event in &due {
            self.apply(event).await;
        }
    }

    pub(super) async fn apply(&mut self, event: &Event) {
        let now = self.model.now;
        let permit =
            self.new_permit(event.user, Offer { kind: PermitKind::SubscribeOnce, count: 1, code: 0 });
        let template = template("sub");
        let action = match event.push {
            Push::Accepted => CallbackAction::Accept { template: template.clone(), permit: permit.id },
            Push::Withdrawn => CallbackAction::Withdraw { template: template.clone() },
            Push::Report(error_code) => CallbackAction::Report(SentReport {
                template: template.clone(),
                msgid: None,
                error_code,
                error_status: "said so".into(),
            }),
        };
        let epoch = self.world.epoch(lane(event.user));
        let order = ApplyOrder { id: event.id, epoch, actions: vec![action], now };
        let applied = self.world.store.apply_event(order.clone()).await.unwrap().expect("it is open");
        let is_report = matches!(event.push, Push::Report(_));
        if is_report && self.model.reported(event).is_err() {
            let again = look_again(event.tries, event.received_at, now);
            assert!(again.is_some() && applied.effects.is_empty(), "{event:?}: {applied:?}");
            assert_eq!((applied.state, applied.wake_at), (EventState::Parked, again), "{event:?}");
            let parked = self.model.events.iter_mut().find(|other| other.id == event.id);
            let parked = parked.expect("it is open");
            (parked.tries, parked.wake_at) = (event.tries + 1, again.unwrap_or(now));
            return;
        }
        assert_eq!((applied.state, applied.wake_at), (EventState::Done, None), "{event:?}");
        assert_eq!(self.world.store.apply_event(order).await.unwrap(), None, "an event is done once");
        self.model.events.retain(|other| other.id != event.id);
        match event.push {
            Push::Accepted => {
                let (_, before) = self.model.granted(event.user, &permit);
                let id = before.unwrap_or(permit.id);
                let is_granted =
                    |effect: &Effect| matches!(effect, Effect::Granted { permit, .. } if *permit == id);
                assert!(applied.effects.len() == 1 && applied.effects.iter().all(is_granted), "{applied:?}");
            }
            Push::Withdrawn => {
                let revoked = self.model.withdraw(event.user);
                let mut effects: Vec<_> = applied
                    .effects
                    .iter()
                    .map(|effect| match effect {
                        Effect::Revoked { permit, units, .. } => (*permit, *units),
                        other => panic!("{other:?}"),
                    })
                    .collect();
                effects.sort_unstable();
                assert_eq!(effects, revoked);
            }
            Push::Report(errcode) => self.report(event, errcode, &applied.effects),
        }
    }

    fn report(&mut self, event: &Event, errcode: Errcode, effects: &[Effect]) {
        let Ok(Some(id)) = self.model.reported(event) else {
            assert!(matches!(effects, [Effect::NoMessage { .. }]), "{event:?}: {effects:?}");
            return;
        };
        let state = if errcode == Errcode::OK { S::Delivered } else { S::Refused };
        match effects {
            [Effect::Delivered { message }] => assert_eq!((*message, S::Delivered), (id, state), "{event:?}"),
            [Effect::Refused { message, .. }] => assert_eq!((*message, S::Refused), (id, state), "{event:?}"),
            other => panic!("{event:?}: {other:?}"),
        }
        let message = self.model.message_mut(id);
        (message.state, message.maybe_delivered, message.keeps_unit) = (state, false, false);
    }

    /// Works until every event is done. That ends, because events are put off only for a limited time.
    pub(super) async fn work_on_all(&mut self) {
        self.model.now = self.model.now.plus(PATIENCE);
        for event in self.model.events.clone() {
            self.apply(&event).await;
        }
        assert!(self.model.events.is_empty(), "{:?}", self.model.events);
    }
}
