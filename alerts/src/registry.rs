//! Where decisions about cases come in: from the platform over MQTT, from people at the console, from the clock.
//!
//! ```text
//!  platform ─MQTT─▶ intake ─▶ registry ─▶ store: message, case, history, outgoing messages in one transaction ─▶ PUBACK
//!  console, re-check, clock ──▶ registry                                │
//!                                  └──▶ the rule core, where a place is to be let go
//! ```
//!
//! The effect of a message is exactly once: the broker keeps it until it is written here, and a repeat finds it written.
//! What nobody understands is written as a problem and told. At most [`WINDOW`] messages are under way; when that many
//! are not written, because the disk is full or the database away, the broker keeps the rest.

use std::time::{Duration, SystemTime};

use domain::{TicketId, Timestamp};
use tokio::{
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use crate::{
    AlertsError,
    case::{Effect, Event},
    incident::Ending,
    mqtt::{Hearing, Listener, Message, MqttConfig, MqttError, Resend, Subscription},
    service,
    store::{Origin, Ruled, Ruling, Store},
    wire::{self, Node, Problem},
};

/// Messages of the platform that may be under way.
pub const WINDOW: u16 = 64;

/// The largest message that is read; the platform's have some hundred bytes.
const LARGEST: u32 = 64 << 10;

/// Pauses between attempts to write, before jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How often reviews and answers are looked at for those that did not come in time.
const LATE_INTERVAL: Duration = Duration::from_secs(1);

/// Says what this module's metrics mean.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(
        "gridwatch_verdicts_total",
        "messages of the platform, by outcome (applied, late, repeated, refused, unknown_ticket, not_understood, damaged_ticket)"
    );
    metrics::describe_counter!("gridwatch_problems_total", "messages that nobody understands, by reason");
    metrics::describe_counter!(
        "gridwatch_tickets_resent_total",
        "tickets sent again because the platform had not answered in time"
    );
    metrics::describe_counter!("gridwatch_case_changes_total", "changes of cases, by the state that they reached");
}

/// Takes in decisions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    store: Store,
    node: Node,
    /// Weak, so that it does not keep the service from ending.
    endings: mpsc::WeakSender<service::Event>,
}

impl Registry {
    /// A registry of `store`'s cases; the ends of tickets go to `service`.
    #[must_use]
    pub fn new(store: Store, node: Node, service: &mpsc::Sender<service::Event>) -> Self {
        Self { store, node, endings: service.downgrade() }
    }

    /// Lets something happen to a ticket's case.
    ///
    /// # Errors
    /// When the database fails; nothing is written then, and the call may be repeated.
    pub async fn apply(&self, ticket: TicketId, now: Timestamp, event: Event) -> Result<Ruled, AlertsError> {
        self.rule(&Ruling::plain(ticket, now, event)).await
    }

    /// Lets something happen to a case as `ruling` has it, and does what follows.
    ///
    /// # Errors
    /// When the database fails; nothing is written then, and the call may be repeated.
    pub async fn rule(&self, ruling: &Ruling<'_>) -> Result<Ruled, AlertsError> {
        let node = &self.node;
        let ruled = self.store.rule(ruling, |ticket, effects| wire::case_messages(ticket, effects, node)).await?;
        if let Ruled::Applied { ticket, effects } = &ruled {
            let state = ticket.case.state();
            tracing::info!(ticket = %ticket.id(), case = %state, event = ruling.event.name(), by = %ruling.event.by(), "case changed");
            metrics::counter!("gridwatch_case_changes_total", "state" => state.as_str()).increment(1);
            for (_, effect) in effects {
                let ended = |ending| service::Event::Ended {
                    camera: ticket.incident.camera.clone(),
                    ticket: ticket.id(),
                    ending,
                    at: ruling.now,
                };
                let event = match effect {
                    Effect::Quiet => ended(Ending::Rejected),
                    Effect::Ended => ended(Ending::Closed),
                    Effect::LookAgain => service::Event::LookAgain(ticket.clone(), ruling.now),
                    _ => continue,
                };
                if let Some(service) = self.endings.upgrade() {
                    // A service that has ended takes it up from the store at the next start.
                    let _ = service.send(event).await;
                }
            }
        }
        Ok(ruled)
    }

    /// Takes in a message of the platform that came at `now`.
    ///
    /// # Errors
    /// When the database fails; nothing is written then, and the call may be repeated.
    pub async fn hear(&self, topic: &str, payload: &[u8], now: Timestamp) -> Result<(), AlertsError> {
        let heard = match wire::read_platform(topic, payload, &self.node) {
            Ok(heard) => heard,
            Err(fault) => {
                let problem = Problem::of(topic, payload, fault, now);
                self.store.add_problem(&problem).await?;
                count_problem(&problem.reason, topic, &problem.message);
                count("not_understood");
                return Ok(());
            }
        };
        let origin = Origin { source: &heard.source, id: &heard.id, topic, payload };
        let ruling = Ruling { origin: Some(origin), ..Ruling::plain(heard.ticket, now, heard.event) };
        match self.rule(&ruling).await? {
            Ruled::Applied { .. } => count("applied"),
            Ruled::Nothing => count("late"),
            Ruled::Repeated => count("repeated"),
            Ruled::Refused(refusal) => {
                count_problem(refusal.code(), topic, &refusal.to_string());
                count("refused");
            }
            Ruled::Unknown => {
                count_problem("unknown_ticket", topic, "there is no such ticket");
                count("unknown_ticket");
            }
        }
        Ok(())
    }

    /// Writes a message, for as long as it takes.
    async fn write(&self, message: &Message) {
        let mut attempts = 0_u32;
        while let Err(error) = self.hear(&message.topic, &message.payload, wall_clock()).await {
            if let AlertsError::Row { .. } = &error {
                // No retry can mend this; the other tickets' verdicts must go on.
                tracing::error!(%error, topic = message.topic, "a verdict on a damaged ticket is dropped");
                count("damaged_ticket");
                return;
            }
            if attempts == 0 {
                tracing::error!(%error, topic = message.topic, "verdicts cannot be written, retrying until they can");
            }
            let pause = FIRST_PAUSE.saturating_mul(1 << attempts.min(10)).min(LONGEST_PAUSE);
            attempts += 1;
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
        }
        if attempts > 0 {
            tracing::info!("verdicts are written again");
        }
    }

    /// Rejects what nobody reviewed in time.
    ///
    /// # Errors
    /// When the database fails; what was due then is due the next time.
    pub async fn expire(&self, now: Timestamp) -> Result<(), AlertsError> {
        for (ticket, until) in self.store.reviews().await? {
            if until <= now {
                self.apply(ticket, now, Event::Tick).await?;
            }
        }
        Ok(())
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("gridwatch_verdicts_total", "outcome" => outcome).increment(1);
}

fn count_problem(reason: &str, topic: &str, message: &str) {
    tracing::warn!(topic, reason, problem = message, "a message of the platform is not understood");
    metrics::counter!("gridwatch_problems_total", "reason" => reason.to_owned()).increment(1);
}

/// Hears the platform.
pub struct Intake {
    listener: Listener,
    registry: Registry,
    resend: Option<Resend>,
    /// Whether tickets wait for an answer for too long.
    silence: Silence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    Told,
    None,
}

enum Due {
    Message(Message),
    Late,
    Stop,
}

impl Intake {
    /// An intake that has not connected yet; tickets are sent again as `resend` has it. It has a session of its own at the
    /// broker, beside the publisher's.
    ///
    /// # Errors
    /// When `config` cannot be right; names the key and the remedy.
    pub fn new(config: &MqttConfig, resend: Option<Resend>, registry: Registry) -> Result<Self, MqttError> {
        let node = &registry.node;
        let name = config.client_id.clone().unwrap_or_else(|| format!("gridwatch-{}", node.id));
        let subscription = Subscription {
            window: WINDOW,
            max_packet_size: LARGEST,
            ..Subscription::new(vec![wire::platform_filter(node)])
        };
        let listener = Listener::new(config.clone(), format!("{name}-verdicts"), subscription)?;
        Ok(Self { listener, registry, resend, silence: Silence::None })
    }

    /// How it stands with hearing the platform, now and from now on.
    #[must_use]
    pub fn hearing(&self) -> watch::Receiver<Hearing> {
        self.listener.hearing()
    }

    /// Hears until `stop` is cancelled. What is not written by then, the broker keeps.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut late = tokio::time::interval(LATE_INTERVAL);
        late.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = tokio::select! {
                () = stop.cancelled() => Due::Stop,
                message = self.listener.next() => Due::Message(message),
                _ = late.tick() => Due::Late,
            };
            match due {
                Due::Stop => return,
                Due::Late => {
                    if let Err(error) = self.look_for_late().await {
                        tracing::warn!(%error, "late reviews and answers wait");
                    }
                }
                Due::Message(message) => {
                    let written = stop.run_until_cancelled(self.registry.write(&message)).await;
                    if written.is_none() {
                        return;
                    }
                    self.listener.settle(message.receipt);
                }
            }
        }
    }

    /// What did not come in time: reviews, and the platform's answers.
    async fn look_for_late(&mut self) -> Result<(), AlertsError> {
        let now = wall_clock();
        self.registry.expire(now).await?;
        let Some(resend) = self.resend else { return Ok(()) };
        let resent = self.registry.store.resend_unanswered(now, resend).await?;
        if resent.tickets > 0 {
            metrics::counter!("gridwatch_tickets_resent_total").increment(resent.tickets as u64);
        }
        match (self.silence, resent.unanswered) {
            (Silence::None, 1..) => {
                tracing::warn!(
                    tickets = resent.unanswered,
                    "the platform has not answered tickets in time; they are sent again until it does \
                     (mqtt.acknowledge = false for a platform that never answers)"
                );
                self.silence = Silence::Told;
            }
            (Silence::Told, 0) => {
                tracing::info!("the platform has answered all tickets");
                self.silence = Silence::None;
            }
            _ => {}
        }
        Ok(())
    }
}

fn wall_clock() -> Timestamp {
    SystemTime::now().into()
}
