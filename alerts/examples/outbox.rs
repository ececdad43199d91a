//! What the outbox costs with a million messages waiting: the rate at which tickets are written, the rate at which the
//! outbox is read and marked as it empties, by tenths, and the memory that this takes.
//!
//! ```text
//! cargo run --release -p alerts --example outbox -- FILE [MESSAGES]
//! PGPASSWORD=... cargo run --release -p alerts --example outbox -- postgres://USER@HOST/EMPTY_DATABASE [MESSAGES]
//! ```

#![allow(clippy::print_stdout)]

use std::time::Instant;

use alerts::{
    AlertsError,
    store::{Database, DatabaseConfig, Store},
    ticket::{Body, OutgoingMessage, Ticket},
};
use domain::{Sha256, Timestamp};
use fixture::ticket;

// The tests' tickets.
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../tests/it/fixture.rs"]
mod fixture;

/// A ticket's messages: pictures, and the ticket itself.
const MESSAGES_A_TICKET: usize = 10;

/// As many as the publisher holds in memory.
const WINDOW: u32 = 256;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AlertsError> {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().expect("a file, or a URL of a database");
    let messages: usize = arguments.next().map_or(1_000_000, |n| n.parse().expect("a number of messages"));
    let database = if place.starts_with("postgres") {
        DatabaseConfig { url: Some(place), ..DatabaseConfig::default() }.database(".".as_ref())?
    } else {
        Database::File(place.into())
    };
    let store = Store::connect(database).await?;
    let tickets = messages / MESSAGES_A_TICKET;

    println!("writing {tickets} tickets with {MESSAGES_A_TICKET} messages each");
    let began = Instant::now();
    for tenth in 0..10 {
        let since = Instant::now();
        for n in tickets * tenth / 10..tickets * (tenth + 1) / 10 {
            let ticket = ticket(u32::try_from(n).expect("fewer than there are numbers"));
            store.open_ticket(&ticket, &messages_of(&ticket)).await?;
        }
        let rate = tickets as f64 / 10.0 / since.elapsed().as_secs_f64();
        println!("  {:3} %: {:.0} tickets a minute, {} MiB", (tenth + 1) * 10, rate * 60.0, resident_mib());
    }
    println!("  all: {:.0} tickets a minute", tickets as f64 / began.elapsed().as_secs_f64() * 60.0);
    let since = Instant::now();
    let counts = store.counts().await?;
    println!("{} messages wait; counting took {:?}", counts.queued_messages, since.elapsed());

    println!("emptying, {WINDOW} messages at a time");
    let (began, mut since) = (Instant::now(), Instant::now());
    let (mut last, mut sent, mut told) = (0, 0_usize, 0_usize);
    loop {
        let queued = store.outbox_next(last, WINDOW).await?;
        let Some(newest) = queued.last() else { break };
        last = newest.seq;
        let seqs: Vec<_> = queued.iter().map(|q| q.seq).collect();
        store.outbox_sent(&seqs, Timestamp(1)).await?;
        sent += seqs.len();
        if sent * 10 / messages.max(1) > told {
            let rate = messages as f64 / 10.0 / since.elapsed().as_secs_f64();
            told = sent * 10 / messages.max(1);
            since = Instant::now();
            println!("  {:3} %: {rate:.0} messages a second, {} MiB", told * 10, resident_mib());
        }
    }
    let counts = store.counts().await?;
    println!("  all: {:.0} messages a second", sent as f64 / began.elapsed().as_secs_f64());
    println!("{} messages wait, {} tickets are undelivered", counts.queued_messages, counts.undelivered);
    store.close().await;
    Ok(())
}

/// Of this process, as Linux tells it.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
}

fn messages_of(ticket: &Ticket) -> Vec<OutgoingMessage> {
    let message = |n: usize| OutgoingMessage {
        topic: format!("gridwatch/v1/310104/310104007/{}/{n}", ticket.id()),
        content_type: "image/jpeg".to_owned(),
        properties: vec![("ticket".to_owned(), ticket.id().to_string()), ("role".to_owned(), "confirming".to_owned())],
        body: if n + 1 == MESSAGES_A_TICKET {
            Body::Inline(vec![b'x'; 4_000].into())
        } else {
            Body::Evidence(Sha256::of(format!("{} {n}", ticket.id()).as_bytes()))
        },
        expires_after: None,
    };
    (0..MESSAGES_A_TICKET).map(message).collect()
}
