//! What is known of the cases of a period, and the figures that it gives.

use domain::{Kind, Timestamp};
use futures::TryStreamExt as _;

use super::{Store, row::TicketRow, sql::Sql};
use crate::{
    AlertsError,
    figures::{Figures, Tally},
};

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

impl Store {
    /// The figures of the cases that came about in a period, as they stand at `now`.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn figures(&self, scope: &Scope, now: Timestamp) -> Result<Figures, AlertsError> {
        let failed = self.failed("read the cases of a period");
        let mut tally = Tally::default();
        // One after the other: a year of them together would be a hundred megabytes.
        let mut rows = facts_query(Sql::new(""), scope).query().fetch(&self.readers);
        while let Some(row) = rows.try_next().await.map_err(&failed)? {
            tally.take(&TicketRow::new(&row, "ticket")?.to_case_fact()?, now);
        }
        Ok(tally.figures())
    }
}

/// The statement that [`Store::figures`] runs.
pub(super) fn facts_query(mut query: Sql, scope: &Scope) -> Sql {
    query.push(
        "SELECT ticket, opened_at, kind, camera, zone, street, case_state, filed_at, acknowledged_at, dispatched_at, handling_at, \
         handled_at, closed_at, cleared_at, solve_due, in_time, rejected_for, duplicate, confirmed, came_back, reworked \
         FROM case_facts WHERE opened_at >= ",
    );
    query.bind(scope.from.0).push(" AND opened_at < ").bind(scope.to.0);
    if let Some(kind) = &scope.kind {
        query.push(" AND kind = ").bind(kind.as_str().to_owned());
    }
    if let Some(street) = &scope.street {
        query.push(" AND street = ").bind(street.clone());
    }
    query
}
