//! What a connection hears: topic filters, messages, and their acknowledgement in the order in which they came.
//!
//! A message is acknowledged only once its receiver has settled it, so the broker keeps what is not yet safe and gives it
//! again after a crash. How many messages may be unsettled at once is told to the broker (Receive Maximum), which bounds
//! what is held here. What came with QoS 0 has no acknowledgement and no such bound: the socket is then read only as
//! fast as messages are taken.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use domain::Millis;
use rumqttc::v5::mqttbytes::{
    QoS,
    v5::{Filter, Publish, RetainForwardRule, SubAck, SubscribeReasonCode},
};

use super::{Endpoint, MqttError, Verdict};

/// What a connection wants to hear, with QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Topic filters, which may have wildcards. Each is asked for anew with every connection.
    pub filters: Vec<String>,
    /// How long the broker keeps what comes while we are away; zero for a session that ends with its connection.
    pub kept_for: Millis,
    /// How many messages may be unsettled at once.
    pub window: u16,
    /// The largest packet that is taken, in bytes. A broker drops larger ones.
    pub max_packet_size: u32,
}

impl Subscription {
    /// A subscription whose messages the broker keeps for a week.
    #[must_use]
    pub fn new(filters: Vec<String>) -> Self {
        Self { filters, kept_for: Millis::mins(7 * 24 * 60), window: 64, max_packet_size: 256 << 10 }
    }

    /// The session's expiry on the wire, in seconds; 0 ends it with the connection.
    pub(super) fn expiry_seconds(&self) -> u32 {
        u32::try_from(self.kept_for.0 / 1_000).unwrap_or(u32::MAX)
    }

    /// The filters on the wire. A message that the broker retained comes when a filter is new, not with every connection.
    pub(super) fn wire_filters(&self) -> impl Iterator<Item = Filter> {
        self.filters.iter().map(|filter| Filter {
            retain_forward_rule: RetainForwardRule::OnNewSubscribe,
            ..Filter::new(filter, QoS::AtLeastOnce)
        })
    }

    /// The first filter that no broker would take.
    pub(super) fn check(&self, broker: &Endpoint) -> Result<(), MqttError> {
        for filter in &self.filters {
            check_filter(filter).map_err(|reason| MqttError::Filter {
                broker: broker.clone(),
                filter: filter.clone(),
                reason: reason.to_owned(),
            })?;
        }
        Ok(())
    }

    /// What of the subscription the broker refuses.
    pub(super) fn refused(&self, broker: &Endpoint, ack: &SubAck) -> Vec<MqttError> {
        let refusal = |filter: &String, code: &SubscribeReasonCode| {
            let reason = match code {
                SubscribeReasonCode::Success(QoS::AtMostOnce) => "it grants QoS 0 only, which may lose messages",
                SubscribeReasonCode::Success(_) => return None,
                SubscribeReasonCode::NotAuthorized => "this user may not read it",
                SubscribeReasonCode::TopicFilterInvalid => "it takes no such filter",
                SubscribeReasonCode::WildcardSubscriptionsNotSupported => "it knows no wildcards",
                SubscribeReasonCode::SharedSubscriptionsNotSupported => "it knows no shared subscriptions",
                SubscribeReasonCode::QuotaExceeded => "a quota is used up",
                _ => "it gives no reason",
            };
            Some(MqttError::Filter { broker: broker.clone(), filter: filter.clone(), reason: reason.to_owned() })
        };
        self.filters.iter().zip(&ack.return_codes).filter_map(|(filter, code)| refusal(filter, code)).collect()
    }
}

/// Whether a broker can take `filter` (MQTT 5, 4.7).
///
/// # Errors
/// What is wrong with it.
pub fn check_filter(filter: &str) -> Result<(), &'static str> {
    if filter.is_empty() {
        return Err("it is empty");
    }
    if filter.len() > usize::from(u16::MAX) {
        return Err("it is longer than 65,535 bytes");
    }
    if filter.contains('\0') {
        return Err("it has a NUL character");
    }
    let mut segments = filter.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "#" if segments.peek().is_some() => return Err("# may stand at the end only"),
            "#" | "+" => {}
            _ if segment.contains(['#', '+']) => return Err("# and + stand for whole segments"),
            _ => {}
        }
    }
    Ok(())
}

/// A message as it came.
#[derive(Debug)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// What it says.
    pub payload: Bytes,
    /// What that is, where the sender says so.
    pub content_type: Option<String>,
    /// The sender's own properties.
    pub properties: Vec<(String, String)>,
    /// It had been kept by the broker before we subscribed: it is the last word on its topic, but not news.
    pub retained: bool,
    /// The broker may have given it to us before.
    pub repeated: bool,
    /// To be settled once the message is safe.
    pub receipt: Receipt,
}

/// The right to settle one message. One of another connection, or of a message with QoS 0, settles nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the broker gives a message that is not settled again"]
pub struct Receipt(Option<(u64, u64)>);

impl Receipt {
    /// Whether the broker waits for the message to be settled.
    pub(crate) fn is_owed(&self) -> bool {
        self.0.is_some()
    }
}

/// What a connection tells.
#[derive(Debug)]
pub(crate) enum News<T> {
    /// The broker's word on a message of ours.
    Settled(T, Verdict),
    /// Something that we subscribed to. Boxed, since verdicts are many and small.
    Heard(Box<Message>),
    /// The subscription stands, but for the filters that the broker refuses (with the reason, or grants at QoS 0 only).
    Subscribed(Vec<MqttError>),
}

/// The unsettled messages of one connection.
#[derive(Debug)]
pub(super) struct Window {
    connection: u64,
    /// The number of the oldest.
    first: u64,
    /// Packet ids, oldest first, and whether they are settled.
    open: VecDeque<(u16, Settled)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    Yes,
    NotYet,
}

impl Window {
    pub(super) fn new() -> Self {
        static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
        Self { connection: CONNECTIONS.fetch_add(1, Ordering::Relaxed), first: 0, open: VecDeque::new() }
    }

    pub(super) fn take_in(&mut self, publish: Publish) -> Message {
        let properties = publish.properties.unwrap_or_default();
        let receipt = Receipt((publish.qos != QoS::AtMostOnce).then(|| self.open_one(publish.pkid)));
        Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload,
            content_type: properties.content_type,
            properties: properties.user_properties,
            retained: publish.retain,
            repeated: publish.dup,
            receipt,
        }
    }

    fn open_one(&mut self, pkid: u16) -> (u64, u64) {
        let number = self.first + self.open.len() as u64;
        self.open.push_back((pkid, Settled::NotYet));
        (self.connection, number)
    }

    pub(super) fn settle(&mut self, receipt: Receipt) {
        let Some((connection, number)) = receipt.0 else { return };
        if connection != self.connection {
            return;
        }
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some((_, settled)) = index.and_then(|index| self.open.get_mut(index)) {
            *settled = Settled::Yes;
        }
    }

    /// The packet to acknowledge next: acknowledgements go in the order in which the messages came (MQTT-4.6.0-2).
    pub(super) fn due(&self) -> Option<u16> {
        self.open.front().and_then(|(pkid, settled)| (*settled == Settled::Yes).then_some(*pkid))
    }

    /// The one that was due is acknowledged.
    pub(super) fn acknowledged(&mut self) {
        if self.open.pop_front().is_some() {
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(filter: &str, expect: Result<(), &str>) {
        assert_eq!(check_filter(filter), expect, "{filter:?}");
    }

    #[test]
    fn a_filter_is_held_to_the_standard() {
        check("sensor/v1/+/+/+/level", Ok(()));
        check("#", Ok(()));
        check("a//b/#", Ok(()));
        check("$share/group/a/+", Ok(()));
        check("", Err("it is empty"));
        check("a/#/b", Err("# may stand at the end only"));
        check("a/b#", Err("# and + stand for whole segments"));
        check("a/b+/c", Err("# and + stand for whole segments"));
        check("a\0", Err("it has a NUL character"));
        check(&"x".repeat(70_000), Err("it is longer than 65,535 bytes"));
    }

    fn publish(pkid: u16, qos: QoS) -> Publish {
        Publish { pkid, ..Publish::new("t", qos, "", None) }
    }

    proptest! {
        /// However they are settled, acknowledgements go in the order of arrival, each once, and none before its message.
        #[test]
        fn acknowledgements_keep_the_order(order in Just((1..=20_u16).collect::<Vec<_>>()).prop_shuffle()) {
            let mut window = Window::new();
            let receipts: Vec<_> = (1..=20).map(|id| window.take_in(publish(id, QoS::AtLeastOnce)).receipt).collect();
            let (mut acknowledged, mut settled) = (Vec::new(), Vec::new());
            for id in order {
                window.settle(receipts[usize::from(id) - 1]);
                settled.push(id);
                while let Some(due) = window.due() {
                    prop_assert!(settled.contains(&due));
                    window.acknowledged();
                    acknowledged.push(due);
                }
            }
            prop_assert_eq!(acknowledged, (1..=20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_receipt_of_another_connection_settles_nothing() {
        let (mut before, mut after) = (Window::new(), Window::new());
        let old = before.take_in(publish(1, QoS::AtLeastOnce)).receipt;
        let new = after.take_in(publish(1, QoS::AtLeastOnce)).receipt;
        after.settle(old);
        assert_eq!(after.due(), None);
        after.settle(new);
        assert_eq!(after.due(), Some(1));
        let unacknowledged = after.take_in(publish(0, QoS::AtMostOnce)).receipt;
        after.acknowledged();
        after.settle(unacknowledged);
        assert_eq!(after.due(), None);
    }
}
