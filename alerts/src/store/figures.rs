//! What is known of the cases of a period, and the figures that it gives.

use domain::{Kind, TicketId, Timestamp};
use sqlx::any::AnyRow;

use super::{
    Store,
    row::{TicketRow, word},
    sql::Sql,
};
use crate::{
    AlertsError,
    case::State,
    figures::{CaseFact, Figures, Tally},
};

/// Cases that are read at once: a page's worth of memory, whatever the period.
const BATCH: u32 = 1_000;

/// Which cases figures are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Those whose rule was satisfied at this time or later.
    pub from: Timestamp,
    /// And before this one.
    pub to: Timestamp,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only those of the street with this code.
    pub street: Option<String>,
}

/// The last case of a batch.
type Mark = (Timestamp, TicketId);

impl Store {
    /// The figures of the cases that came about in a period, as they stand at `now`.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn figures(&self, scope: &Scope, now: Timestamp) -> Result<Figures, AlertsError> {
        let mut tally = Tally::default();
        let mut after = None;
        loop {
            let facts = self.case_facts(scope, after, BATCH).await?;
            facts.iter().for_each(|(_, fact)| tally.take(fact, now));
            match facts.last() {
                Some((mark, _)) if facts.len() == BATCH as usize => after = Some(*mark),
                _ => return Ok(tally.figures()),
            }
        }
    }

    /// What is known of cases, oldest first, at most `limit` of those after a mark.
    pub(super) async fn case_facts(
        &self,
        scope: &Scope,
        after: Option<Mark>,
        limit: u32,
    ) -> Result<Vec<(Mark, CaseFact)>, AlertsError> {
        let query = facts_query(Sql::new(""), scope, after, limit);
        let rows = query.query().fetch_all(&self.readers).await.map_err(self.failed("read the cases of a period"))?;
        rows.iter().map(read).collect()
    }
}

/// The statement that [`Store::case_facts`] runs. Each table is read once: the tickets by their time, and the lines of history
/// and the clocks of these alone.
pub(super) fn facts_query(mut query: Sql, scope: &Scope, after: Option<Mark>, limit: u32) -> Sql {
    query.push(
        "WITH chosen AS (SELECT id, kind, camera, zone, street, confirmed_at, filed_at, acknowledged_at, cleared_at, case_state, \
         CASE WHEN case_state = ",
    );
    query.bind(word(State::Rejected)).push(" THEN case_data END AS rejected_case FROM tickets WHERE confirmed_at >= ");
    query.bind(scope.from.0).push(" AND confirmed_at < ").bind(scope.to.0);
    if let Some(kind) = &scope.kind {
        query.push(" AND kind = ").bind(kind.as_str().to_owned());
    }
    if let Some(street) = &scope.street {
        query.push(" AND street = ").bind(street.clone());
    }
    if let Some((at, id)) = after {
        query.push(" AND (confirmed_at, id) > (").bind(at.0).push(", ").bind(id.to_string()).push(")");
    }
    query.push(" ORDER BY confirmed_at, id LIMIT ").bind(i64::from(limit));
    query.push(
        "), lived AS (SELECT ticket, \
         MIN(CASE WHEN event = 'dispatched' THEN COALESCE(decided_at, at) END) AS dispatched_at, \
         MIN(CASE WHEN event = 'handling' THEN COALESCE(decided_at, at) END) AS handling_at, \
         MAX(CASE WHEN event = 'handled' THEN COALESCE(decided_at, at) END) AS handled_at, \
         MAX(CASE WHEN event = 'closed' THEN COALESCE(decided_at, at) END) AS closed_at, \
         MAX(CASE WHEN event = 'acknowledged' AND reason = 'duplicate' THEN 1 ELSE 0 END) AS duplicate, \
         MAX(CASE WHEN event IN ('confirmed', 'review_confirmed') THEN 1 ELSE 0 END) AS confirmed, \
         MAX(CASE WHEN event = 'came_back' THEN 1 ELSE 0 END) AS came_back, \
         MAX(CASE WHEN event = 'checked_still_there' THEN 1 ELSE 0 END) AS reworked \
         FROM case_events WHERE ticket IN (SELECT id FROM chosen) GROUP BY ticket) \
         SELECT chosen.id, kind, camera, zone, street, confirmed_at, filed_at, acknowledged_at, cleared_at, case_state, rejected_case, \
         solve_due, in_time, dispatched_at, handling_at, handled_at, closed_at, \
         CAST(COALESCE(duplicate, 0) AS BIGINT) AS duplicate, CAST(COALESCE(confirmed, 0) AS BIGINT) AS confirmed, \
         CAST(COALESCE(came_back, 0) AS BIGINT) AS came_back, CAST(COALESCE(reworked, 0) AS BIGINT) AS reworked \
         FROM chosen LEFT JOIN clocks ON clocks.ticket = chosen.id LEFT JOIN lived ON lived.ticket = chosen.id \
         ORDER BY confirmed_at, chosen.id",
    );
    query
}

fn read(row: &AnyRow) -> Result<(Mark, CaseFact), AlertsError> {
    TicketRow::new(row, "id")?.to_case_fact()
}
