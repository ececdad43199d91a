//! What figures are reckoned from: one narrow row a case, written with whatever changes the case. Tickets are wide, and their
//! histories and clocks lie elsewhere: a year of them takes many times as long to gather as to reckon.

use domain::TicketId;

use super::session::Session;

/// As migration 14 does for the cases that were there before it.
const GATHER: &str = "INSERT INTO case_facts (ticket, opened_at, kind, camera, zone, street, case_state, filed_at, acknowledged_at, \
    dispatched_at, handling_at, handled_at, closed_at, cleared_at, solve_due, in_time, rejected_for, duplicate, confirmed, came_back, \
    reworked) \
    SELECT t.id, t.confirmed_at, t.kind, t.camera, t.zone, t.street, t.case_state, t.filed_at, t.acknowledged_at, \
    l.dispatched_at, l.handling_at, l.handled_at, l.closed_at, t.cleared_at, c.solve_due, c.in_time, \
    CASE WHEN t.case_state = 'rejected' THEN COALESCE((SELECT e.reason FROM case_events AS e WHERE e.ticket = t.id \
    AND e.to_state = 'rejected' AND e.from_state <> 'rejected' ORDER BY e.seq DESC LIMIT 1), 'other') END, \
    COALESCE(l.duplicate, 0), COALESCE(l.confirmed, 0), COALESCE(l.came_back, 0), COALESCE(l.reworked, 0) \
    FROM tickets AS t LEFT JOIN clocks AS c ON c.ticket = t.id LEFT JOIN (SELECT ticket, \
    MIN(CASE WHEN event = 'dispatched' THEN COALESCE(decided_at, at) END) AS dispatched_at, \
    MIN(CASE WHEN event = 'handling' THEN COALESCE(decided_at, at) END) AS handling_at, \
    MAX(CASE WHEN event = 'handled' THEN COALESCE(decided_at, at) END) AS handled_at, \
    MAX(CASE WHEN event = 'closed' THEN COALESCE(decided_at, at) END) AS closed_at, \
    MAX(CASE WHEN event = 'acknowledged' AND reason = 'duplicate' THEN 1 ELSE 0 END) AS duplicate, \
    MAX(CASE WHEN event IN ('confirmed', 'review_confirmed') THEN 1 ELSE 0 END) AS confirmed, \
    MAX(CASE WHEN event = 'came_back' THEN 1 ELSE 0 END) AS came_back, \
    MAX(CASE WHEN event = 'checked_still_there' THEN 1 ELSE 0 END) AS reworked \
    FROM case_events WHERE ticket = $1 GROUP BY ticket) AS l ON l.ticket = t.id WHERE t.id = $1 \
    ON CONFLICT (ticket) DO UPDATE SET case_state = excluded.case_state, filed_at = excluded.filed_at, \
    acknowledged_at = excluded.acknowledged_at, dispatched_at = excluded.dispatched_at, handling_at = excluded.handling_at, \
    handled_at = excluded.handled_at, closed_at = excluded.closed_at, cleared_at = excluded.cleared_at, \
    solve_due = excluded.solve_due, in_time = excluded.in_time, rejected_for = excluded.rejected_for, \
    duplicate = excluded.duplicate, confirmed = excluded.confirmed, came_back = excluded.came_back, reworked = excluded.reworked";

/// Gathers what is known of a case, after it has changed, in the transaction that changed it.
pub(super) async fn gather_facts(connection: &mut Session, ticket: TicketId) -> Result<(), sqlx::Error> {
    sqlx::query(GATHER).bind(ticket.to_string()).execute(&mut *connection).await.map(drop)
}
