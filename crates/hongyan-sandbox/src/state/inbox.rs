//! The cards that the users saw: every delivered message, per user and in one order over all.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use hongyan_clock::UnixMillis;
use hongyan_wechat::{AppId, OpenId, TemplateId};
use serde::{Deserialize, Serialize};

/// WeChat's number of a message: 19 digits, more than a JavaScript number holds exactly. The sandbox reveals programs
/// that read the number as a JavaScript number: every number is odd, so no number survives as a floating-point number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Msgid(pub(crate) u64);

impl Msgid {
    /// The number of the message of this card, even if the card is not delivered.
    pub(crate) fn of_card(id: u64) -> Self {
        /// The range of the numbers of today's WeChat.
        const BASE: u64 = 3_248_000_000_000_000_000;
        const MASK: u64 = (1 << 50) - 1;
        // An odd factor: different ids stay different, and do not look consecutive.
        Self(BASE + (((id.wrapping_mul(0x9E37_79B9_7F4A_7C15) & MASK) << 1) | 1))
    }
}

impl Serialize for Msgid {
    /// Written as a string, as in WeChat's events: the phone's page and tests in JavaScript read cards.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Msgid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// A card as the user sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Card {
    /// Counts up over all users.
    pub(crate) id: u64,
    /// The message's number, which the sender got.
    #[serde(default)]
    pub(crate) msgid: Msgid,
    /// `legacy` for template messages, `subscribe` for subscribe messages.
    pub(crate) kind: CardKind,
    pub(crate) appid: AppId,
    pub(crate) openid: OpenId,
    pub(crate) template_id: TemplateId,
    pub(crate) title: Arc<str>,
    pub(crate) fields: Vec<CardField>,
    /// The name of the field that is shown large, as `keyword1`.
    pub(crate) emphasis: Option<String>,
    /// The page that opens when the user taps the card.
    pub(crate) page: Option<String>,
    pub(crate) sent_at: UnixMillis,
}

/// The two families of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CardKind {
    /// A template message.
    Legacy,
    /// A subscribe message.
    Subscribe,
}

/// One line of a card.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CardField {
    pub(crate) name: Arc<str>,
    pub(crate) label: Arc<str>,
    pub(crate) value: String,
    pub(crate) color: Option<String>,
}

/// The filter for cards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) appid: Option<AppId>,
    pub(crate) openid: Option<OpenId>,
    pub(crate) kind: Option<CardKind>,
}

/// All cards.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub(crate) struct Inbox {
    all: VecDeque<Arc<Card>>,
    by_user: HashMap<(AppId, OpenId), VecDeque<Arc<Card>>>,
    last_id: u64,
}

impl Inbox {
    /// The id of the newest card; 0 before the first card.
    pub(crate) fn last_id(&self) -> u64 {
        self.last_id
    }

    /// The number of kept cards.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Delivers a card and gives it an id. At most `most` cards are kept, the newest.
    pub(crate) fn deliver(&mut self, mut card: Card, most: usize) -> u64 {
        self.last_id += 1;
        card.id = self.last_id;
        card.msgid = Msgid::of_card(card.id);
        self.keep(Arc::new(card), most);
        self.last_id
    }

    /// The next card's id is greater than this id.
    pub(crate) fn continue_after(&mut self, id: u64) {
        self.last_id = self.last_id.max(id);
    }

    /// Uses an id for a card that is not delivered.
    pub(crate) fn skip(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn keep(&mut self, card: Arc<Card>, most: usize) {
        self.by_user
            .entry((card.appid.clone(), card.openid.clone()))
            .or_default()
            .push_back(Arc::clone(&card));
        self.all.push_back(card);
        while self.all.len() > most
            && let Some(oldest) = self.all.pop_front()
        {
            let user = (oldest.appid.clone(), oldest.openid.clone());
            // The oldest card of all is also the oldest card of its user.
            if let Some(cards) = self.by_user.get_mut(&user) {
                cards.pop_front();
                if cards.is_empty() {
                    self.by_user.remove(&user);
                }
            }
        }
    }

    /// Up to `limit` cards with an id greater than `after`, oldest first.
    pub(crate) fn after(&self, filter: &Filter, after: u64, limit: usize) -> Vec<Arc<Card>> {
        let Some(cards) = self.of(filter) else { return Vec::new() };
        let start = cards.partition_point(|card| card.id <= after);
        cards.range(start..).filter(|card| filter.matches(card)).take(limit).cloned().collect()
    }

    /// The next `limit` cards with an id less than `before`, newest first. Some of them may not match the filter.
    pub(crate) fn before(&self, filter: &Filter, before: u64, limit: usize) -> Vec<Arc<Card>> {
        let Some(cards) = self.of(filter) else { return Vec::new() };
        let end = cards.partition_point(|card| card.id < before);
        cards.range(end.saturating_sub(limit)..end).rev().cloned().collect()
    }

    /// The fewest cards that hold all cards of the filter.
    fn of(&self, filter: &Filter) -> Option<&VecDeque<Arc<Card>>> {
        match (&filter.appid, &filter.openid) {
            (Some(appid), Some(openid)) => self.by_user.get(&(appid.clone(), openid.clone())),
            _ => Some(&self.all),
        }
    }

    /// The card with this id.
    pub(crate) fn get(&self, id: u64) -> Option<&Arc<Card>> {
        self.all.get(self.all.binary_search_by_key(&id, |card| card.id).ok()?)
    }

    /// Deletes the card with this id; says whether there was such a card.
    pub(crate) fn delete(&mut self, id: u64) -> bool {
        let Ok(place) = self.all.binary_search_by_key(&id, |card| card.id) else { return false };
        let Some(card) = self.all.remove(place) else { return false };
        let user = (card.appid.clone(), card.openid.clone());
        if let Some(cards) = self.by_user.get_mut(&user) {
            cards.retain(|other| other.id != id);
            if cards.is_empty() {
                self.by_user.remove(&user);
            }
        }
        true
    }

    /// Deletes the cards for which `goes` holds; says how many.
    pub(crate) fn delete_all(&mut self, goes: impl Fn(&Card) -> bool) -> usize {
        let before = self.all.len();
        self.all.retain(|card| !goes(card));
        for cards in self.by_user.values_mut() {
            cards.retain(|card| !goes(card));
        }
        self.by_user.retain(|_, cards| !cards.is_empty());
        before - self.all.len()
    }

    /// Forgets all cards. Ids continue, so that a reader who waits for the next card is not confused.
    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.by_user.clear();
    }
}

impl Filter {
    pub(crate) fn matches(&self, card: &Card) -> bool {
        self.appid.as_ref().is_none_or(|a| *a == card.appid)
            && self.openid.as_ref().is_none_or(|o| *o == card.openid)
            && self.kind.is_none_or(|kind| kind == card.kind)
    }
}

/// The inbox in its saved form: each card once.
#[derive(Serialize, Deserialize)]
struct Kept {
    last_id: u64,
    cards: Vec<Arc<Card>>,
}

impl From<Kept> for Inbox {
    fn from(kept: Kept) -> Self {
        let mut inbox = Self { last_id: kept.last_id, ..Self::default() };
        for card in kept.cards {
            // Surplus cards are removed when the next card arrives.
            inbox.keep(card, usize::MAX);
        }
        inbox
    }
}

impl From<Inbox> for Kept {
    fn from(inbox: Inbox) -> Self {
        Self { last_id: inbox.last_id, cards: inbox.all.into() }
    }
}

impl Clone for Inbox {
    /// Copies pointers, not cards, for saving.
    fn clone(&self) -> Self {
        Self { all: self.all.clone(), by_user: self.by_user.clone(), last_id: self.last_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(appid: &str, openid: &str) -> Card {
        Card {
            id: 0,
            msgid: Msgid::default(),
            kind: CardKind::Subscribe,
            appid: appid.parse().unwrap(),
            openid: openid.parse().unwrap(),
            template_id: "T-1".parse().unwrap(),
            title: "取餐提醒".into(),
            fields: Vec::new(),
            emphasis: None,
            page: None,
            sent_at: UnixMillis(0),
        }
    }

    fn ids(cards: &[Arc<Card>]) -> Vec<u64> {
        cards.iter().map(|c| c.id).collect()
    }

    #[test]
    fn cards_are_found_by_user_by_app_and_by_place() {
        let mut inbox = Inbox::default();
        for (app, user) in [("wx1", "o1"), ("wx1", "o2"), ("wx2", "o1"), ("wx1", "o1")] {
            inbox.deliver(card(app, user), 9);
        }
        let user = Filter {
            appid: Some("wx1".parse().unwrap()),
            openid: Some("o1".parse().unwrap()),
            ..Filter::default()
        };
        let app = Filter { openid: None, ..user.clone() };
        assert_eq!(ids(&inbox.after(&user, 0, 9)), [1, 4]);
        assert_eq!(ids(&inbox.after(&user, 1, 9)), [4]);
        assert_eq!(ids(&inbox.after(&app, 0, 9)), [1, 2, 4]);
        assert_eq!(ids(&inbox.after(&Filter::default(), 1, 2)), [2, 3]);
        assert_eq!(ids(&inbox.before(&user, u64::MAX, 9)), [4, 1]);
        assert_eq!(ids(&inbox.before(&Filter::default(), 4, 2)), [3, 2]);
        assert_eq!(inbox.get(3).unwrap().appid.as_str(), "wx2");
        assert!(inbox.get(5).is_none());
    }

    #[test]
    fn deleted_cards_are_gone_for_everybody() {
        let mut inbox = Inbox::default();
        for (app, user) in [("wx1", "o1"), ("wx1", "o2"), ("wx2", "o1"), ("wx1", "o1")] {
            inbox.deliver(card(app, user), 9);
        }
        let user = Filter {
            appid: Some("wx1".parse().unwrap()),
            openid: Some("o1".parse().unwrap()),
            ..Filter::default()
        };
        assert!(inbox.delete(1) && !inbox.delete(1));
        assert_eq!(ids(&inbox.after(&user, 0, 9)), [4]);
        assert_eq!(inbox.delete_all(|card| card.kind == CardKind::Legacy), 0);
        assert_eq!(inbox.delete_all(|card| Filter { openid: None, ..user.clone() }.matches(card)), 2);
        assert_eq!((ids(&inbox.after(&Filter::default(), 0, 9)), inbox.by_user.len()), (vec![3], 1));
        assert_eq!(inbox.deliver(card("wx1", "o1"), 9), 5, "ids go on counting");
    }

    #[test]
    fn a_msgid_has_19_digits_and_is_no_number_of_javascript() {
        let all: std::collections::HashSet<_> = (1..10_000).map(|id| Msgid::of_card(id).0).collect();
        assert_eq!(all.len(), 9_999);
        for id in [0, 1, 2, 1 << 40, u64::MAX] {
            let Msgid(number) = Msgid::of_card(id);
            assert_eq!(number.to_string().len(), 19);
            assert!(i64::try_from(number).is_ok());
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let as_javascript_reads_it = number as f64 as u64;
            assert_ne!(as_javascript_reads_it, number);
        }
    }

    #[test]
    fn a_saved_inbox_comes_back_whole() {
        let mut inbox = Inbox::default();
        inbox.deliver(card("wx1", "o1"), 9);
        inbox.deliver(card("wx1", "o2"), 9);
        let mut back: Inbox = serde_json::from_str(&serde_json::to_string(&inbox).unwrap()).unwrap();
        assert_eq!(ids(&back.after(&Filter::default(), 0, 9)), [1, 2]);
        assert_eq!(back.deliver(card("wx1", "o1"), 2), 3);
        assert_eq!(ids(&back.after(&Filter::default(), 0, 9)), [2, 3], "the oldest has gone");
        assert_eq!(back.by_user.len(), 2);
    }
}
