//! A message's story: what happened to it, and what happened because of it.

use hongyan_ledger::webhook::Filter;
use hongyan_ledger::{MessageId, WebhookId};

use super::{DeliveryView, EventView, MessageDetail};

/// The most events, deliveries and replaced messages of a story, each.
pub const MAX_STORY: u32 = 100;

/// A message with what the other tables know about it.
#[derive(Debug, Clone)]
pub struct MessageStory {
    /// The message.
    pub detail: MessageDetail,
    /// WeChat's events about the message, first to last, at most [`MAX_STORY`].
    pub events: Vec<EventView>,
    /// The deliveries of the message's webhook events, in the order of the events, at most [`MAX_STORY`]. An event that was
    /// never tried has no delivery yet.
    pub deliveries: Vec<StoryDelivery>,
    /// The messages that this message replaced, newest first, at most [`MAX_STORY`].
    pub replaced: Vec<MessageId>,
}

/// The delivery of a message's webhook event to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryDelivery {
    /// The webhook.
    pub webhook: WebhookId,
    /// The events that the webhook receives.
    pub filter: Filter,
    /// The delivery.
    pub delivery: DeliveryView,
}
