//! Which message of the outbox goes next. No I/O and no clock of its own.
//!
//! ```text
//!            send             taken
//!   Ready ---------> Sent ------------> Settled --written--> (gone)
//!     ^               | later              ^
//!     |               v                    |
//!     +--- time --- Waiting      never ----+
//!     +--- connection lost ---- Sent
//! ```
//!
//! Within a ticket an event (what is not a picture) is a barrier: it goes only when the broker has taken everything of
//! its ticket before it, and nothing of its ticket goes before the broker has taken it. So the pictures are there when
//! the ticket arrives, under every resend. Different tickets do not wait for one another.

use std::{collections::VecDeque, time::Duration};

use domain::TicketId;
use tokio::time::Instant;

use crate::ticket::{Body, Queued};

/// How many messages are held in memory; the others stay in the database until there is room.
const CAPACITY: usize = 256;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Ready,
    Sent,
    Waiting { until: Instant },
    Settled(Outcome),
}

/// What remains to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The broker has it.
    Taken,
    /// It can never be sent, for this reason.
    Refused(String),
}

#[derive(Debug)]
struct Entry {
    queued: Queued,
    state: State,
    attempts: u32,
    seen_at: Instant,
}

impl Entry {
    fn is_event(&self) -> bool {
        matches!(self.queued.message.body, Body::Inline(_))
    }

    fn is_due(&self, now: Instant) -> bool {
        match self.state {
            State::Ready => true,
            State::Waiting { until } => until <= now,
            State::Sent | State::Settled(_) => false,
        }
    }
}

/// The front of the outbox.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    last_seq: i64,
}

/// What the broker took.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) ticket: Option<TicketId>,
    pub(super) is_event: bool,
    /// Since it was taken into the queue.
    pub(super) took: Duration,
}

impl Queue {
    /// The last message taken in; the outbox is read on from there.
    pub(super) fn last_seq(&self) -> i64 {
        self.last_seq
    }

    /// How many more messages it takes in.
    pub(super) fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.entries.len())
    }

    /// Whether nothing is left to send or to write down.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes in the next message of the outbox.
    pub(super) fn push(&mut self, queued: Queued, now: Instant) {
        self.last_seq = self.last_seq.max(queued.seq);
        self.entries.push_back(Entry { queued, state: State::Ready, attempts: 0, seen_at: now });
    }

    /// The first message that may go now.
    pub(super) fn next(&self, now: Instant) -> Option<&Queued> {
        self.entries.iter().enumerate().find(|(i, e)| e.is_due(now) && !self.is_blocked(*i)).map(|(_, e)| &e.queued)
    }

    fn is_blocked(&self, index: usize) -> bool {
        let entry = &self.entries[index];
        self.entries.range(..index).any(|before| {
            before.queued.ticket == entry.queued.ticket
                && entry.queued.ticket.is_some()
                && !matches!(before.state, State::Settled(_))
                && (entry.is_event() || before.is_event())
        })
    }

    /// When the next waiting message is due. One that is due already waits for another of its ticket, or for room.
    pub(super) fn wakes_at(&self, now: Instant) -> Option<Instant> {
        let waits = self.entries.iter().filter_map(|e| match e.state {
            State::Waiting { until } if until > now => Some(until),
            _ => None,
        });
        waits.min()
    }

    /// The message went out.
    pub(super) fn sent(&mut self, seq: i64) {
        if let Some(entry) = self.entry(seq) {
            entry.state = State::Sent;
            entry.attempts += 1;
        }
    }

    /// The broker has the message.
    pub(super) fn taken(&mut self, seq: i64, now: Instant) -> Option<Delivery> {
        let entry = self.entry(seq)?;
        entry.state = State::Settled(Outcome::Taken);
        Some(Delivery { ticket: entry.queued.ticket, is_event: entry.is_event(), took: now - entry.seen_at })
    }

    /// The message may pass later.
    pub(super) fn later(&mut self, seq: i64, now: Instant) {
        if let Some(entry) = self.entry(seq) {
            let doublings = entry.attempts.saturating_sub(1).min(6);
            entry.state = State::Waiting { until: now + (FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT) };
        }
    }

    /// The message can never be sent.
    pub(super) fn refused(&mut self, seq: i64, reason: String) {
        if let Some(entry) = self.entry(seq) {
            entry.state = State::Settled(Outcome::Refused(reason));
        }
    }

    /// The connection ended: what was on its way may or may not have arrived, and goes again.
    pub(super) fn connection_lost(&mut self) {
        for entry in &mut self.entries {
            if entry.state == State::Sent {
                entry.state = State::Ready;
            }
        }
    }

    /// What is settled and not yet written down.
    pub(super) fn settled(&self) -> impl Iterator<Item = (i64, &Outcome)> {
        self.entries.iter().filter_map(|e| match &e.state {
            State::Settled(outcome) => Some((e.queued.seq, outcome)),
            _ => None,
        })
    }

    /// These are written down.
    pub(super) fn written(&mut self, seqs: &[i64]) {
        self.entries.retain(|e| !seqs.contains(&e.queued.seq));
    }

    fn entry(&mut self, seq: i64) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|e| e.queued.seq == seq)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use domain::{Sha256, Timestamp};

    use super::*;
    use crate::ticket::OutgoingMessage;

    fn queued(seq: i64, ticket: u8, body: Body) -> Queued {
        Queued {
            seq,
            ticket: Some(TicketId::derive(Timestamp(0), &[ticket])),
            message: OutgoingMessage {
                topic: "t".into(),
                content_type: "c".into(),
                properties: vec![],
                body,
                expires_after: None,
            },
        }
    }

    /// `P1` is a picture of ticket 1, `E1` an event of it.
    fn queue(messages: &str, now: Instant) -> Queue {
        let mut queue = Queue::default();
        for (seq, word) in (1..).zip(messages.split(' ')) {
            let body = if word.starts_with('P') {
                Body::Evidence(Sha256::of(word.as_bytes()))
            } else {
                Body::Inline(Bytes::new())
            };
            queue.push(queued(seq, word.as_bytes()[1], body), now);
        }
        queue
    }

    /// Sends all that may go, in order.
    fn send(queue: &mut Queue, now: Instant) -> Vec<i64> {
        std::iter::from_fn(|| {
            let seq = queue.next(now)?.seq;
            queue.sent(seq);
            Some(seq)
        })
        .collect()
    }

    #[test]
    fn a_ticket_waits_for_its_pictures_and_for_nobody_elses() {
        let now = Instant::now();
        let mut queue = queue("P1 P1 E1 P2 E2 P1 E1", now);
        assert_eq!(send(&mut queue, now), [1, 2, 4]);
        queue.taken(2, now);
        assert_eq!(send(&mut queue, now), [0_i64; 0]);
        queue.taken(1, now);
        assert_eq!(send(&mut queue, now), [3]);
        queue.taken(4, now);
        assert_eq!(send(&mut queue, now), [5]);
        queue.taken(3, now);
        assert_eq!(send(&mut queue, now), [6]);
        queue.taken(6, now);
        assert_eq!(send(&mut queue, now), [7]);
    }

    #[test]
    fn a_lost_connection_sends_again_what_was_not_taken() {
        let now = Instant::now();
        let mut queue = queue("P1 P1 E1", now);
        assert_eq!(send(&mut queue, now), [1, 2]);
        queue.taken(1, now);
        queue.connection_lost();
        assert_eq!(send(&mut queue, now), [2]);
        assert_eq!(queue.settled().map(|(seq, _)| seq).collect::<Vec<_>>(), [1]);
        queue.written(&[1]);
        queue.taken(2, now);
        assert_eq!(send(&mut queue, now), [3]);
    }

    #[test]
    fn what_is_refused_for_now_waits_and_holds_back_its_own_ticket_only() {
        let now = Instant::now();
        let mut queue = queue("P1 E1 E2", now);
        assert_eq!(send(&mut queue, now), [1, 3]);
        queue.later(1, now);
        assert_eq!(send(&mut queue, now), [0_i64; 0]);
        assert_eq!(queue.wakes_at(now), Some(now + FIRST_WAIT));
        let later = now + FIRST_WAIT;
        assert_eq!(send(&mut queue, later), [1]);
        queue.later(1, later);
        assert_eq!(queue.wakes_at(later), Some(later + 2 * FIRST_WAIT));
    }

    #[test]
    fn a_picture_that_can_never_be_sent_does_not_hold_its_ticket_for_ever() {
        let now = Instant::now();
        let mut queue = queue("P1 E1", now);
        assert_eq!(send(&mut queue, now), [1]);
        queue.refused(1, "too large".into());
        assert_eq!(send(&mut queue, now), [2]);
        assert_eq!(queue.settled().next(), Some((1, &Outcome::Refused("too large".into()))));
    }
}
