//! Routes tickets by the responsibility list that is in force, read anew whenever an import has added to it.

use std::time::SystemTime;

use tokio::sync::watch;

use crate::{
    AlertsError,
    clocks::{CaseClocks, ClockEvent, Timetable},
    duty::PicturesWanted,
    routed::Routed,
    store::{LastDutyList, Store},
    ticket::Ticket,
    wire::Node,
};

/// Knows the list as of the last look at the database.
pub(super) struct Router {
    timetable: watch::Receiver<Timetable>,
    list: LastDutyList,
    /// What is to be gathered before it is known who answers.
    pictures_wanted: watch::Sender<PicturesWanted>,
}

impl Router {
    pub(super) fn new(timetable: watch::Receiver<Timetable>) -> Self {
        Self { timetable, list: LastDutyList::default(), pictures_wanted: watch::Sender::default() }
    }

    /// How many pictures the list wants, whenever it was read.
    pub(super) fn pictures_wanted(&self) -> watch::Receiver<PicturesWanted> {
        self.pictures_wanted.subscribe()
    }

    /// Reads the list where it has grown. A damaged one stays as it was last read, and the damage is told once.
    ///
    /// # Errors
    /// When the database fails; the call may be repeated.
    pub(super) async fn read_list(&mut self, store: &Store) -> Result<(), AlertsError> {
        if let Some(error) = self.list.refresh(store).await? {
            metrics::counter!("gridwatch_routing_failures_total", "reason" => "list").increment(1);
            tracing::error!(%error, "the responsibility list stays as it was last read");
        }
        let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap_or_default();
        let today = now.to_zoned(self.timetable.borrow().calendar.timezone().clone()).date();
        let wanted = self.list.get().pictures_wanted(today);
        self.pictures_wanted.send_if_modified(|known| {
            *known != wanted && {
                *known = wanted;
                true
            }
        });
        Ok(())
    }

    /// Who answers for a ticket that opens; its place is its camera's, or the node's district. A damaged list does not
    /// keep a ticket back: the list as it was last read decides, and the damage is told once.
    ///
    /// # Errors
    /// When the database fails; the call may be repeated.
    pub(super) async fn route(
        &mut self,
        ticket: &Ticket,
        node: &Node,
        store: &Store,
    ) -> Result<Option<Routed>, AlertsError> {
        self.read_list(store).await?;
        let incident = &ticket.incident;
        let place = ticket.camera.place.as_ref().map_or(&node.district, |place| &place.grid);
        let decided = Routed::decide(
            self.list.get(),
            &incident.kind,
            place,
            incident.confirmed_at,
            &self.timetable.borrow().calendar,
        );
        Ok(decided.map(|(routed, unknown)| {
            if let Some(error) = unknown {
                metrics::counter!("gridwatch_routing_failures_total", "reason" => "calendar").increment(1);
                tracing::warn!(ticket = %ticket.id(), %error, "a ticket goes without a due time");
            }
            routed
        }))
    }

    /// The clocks of a ticket that is filed as it opens.
    pub(super) fn clocks(&self, ticket: &Ticket) -> Option<CaseClocks> {
        let at = ticket.incident.confirmed_at;
        let timetable = self.timetable.borrow();
        let mut clocks = CaseClocks::new(ticket.route.as_deref()?, timetable.start);
        // One that waits for a person waits with its clocks.
        if !ticket.case.is_filed() {
            return Some(clocks);
        }
        // No light can have changed at the first moment; a due time that is not known was told of when it was routed.
        clocks.apply(at, ClockEvent::Filed, at, timetable.terms());
        Some(clocks)
    }
}
