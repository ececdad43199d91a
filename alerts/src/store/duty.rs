//! The responsibility list with all versions of its items.

use domain::Timestamp;
use sqlx::{Row as _, any::AnyRow};

use super::{Store, row::json};
use crate::{
    AlertsError,
    duty::{DutyList, ImportedVersion, ItemVersion},
    error::Source,
};

/// The responsibility list as it was last read, for whoever asks it often.
#[derive(Debug, Default)]
pub(crate) struct LastDutyList {
    list: DutyList,
    /// How many versions it had.
    read: Option<i64>,
}

impl LastDutyList {
    /// Reads it anew where an import has added to it. Gives what is damaged, once: the list stays as it was then.
    pub(crate) async fn refresh(&mut self, store: &Store) -> Result<Option<AlertsError>, AlertsError> {
        let count = store.duty_version_count().await?;
        if self.read == Some(count) {
            return Ok(None);
        }
        let damage = match store.duty_list().await {
            Ok(list) => {
                self.list = list;
                None
            }
            Err(damage @ AlertsError::DutyRow { .. }) => Some(damage),
            Err(error) => return Err(error),
        };
        self.read = Some(count);
        Ok(damage)
    }

    pub(crate) fn get(&self) -> &DutyList {
        &self.list
    }
}

impl Store {
    /// The responsibility list as it is.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn duty_list(&self) -> Result<DutyList, AlertsError> {
        let failed = self.failed("read the responsibility list");
        let rows = sqlx::query("SELECT id, version, effective_from, item FROM duty_items ORDER BY id, version")
            .fetch_all(&self.readers)
            .await
            .map_err(&failed)?;
        let versions = rows.iter().map(|row| version(row, &failed)).collect::<Result<Vec<_>, _>>()?;
        Ok(DutyList::new(versions))
    }

    /// All versions of an item with the imports that made them, oldest first; none where the list has no such item.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub async fn duty_history(&self, id: &str) -> Result<Vec<ImportedVersion>, AlertsError> {
        let failed = self.failed("read the history of the responsibility list");
        let rows = sqlx::query(
            "SELECT id, version, effective_from, imported_at, source, item FROM duty_items WHERE id = $1 ORDER BY version",
        )
        .bind(id)
        .fetch_all(&self.readers)
        .await
        .map_err(&failed)?;
        let imported = |row| {
            Ok(ImportedVersion {
                version: version(row, &failed)?,
                imported_at: Timestamp(row.try_get("imported_at").map_err(&failed)?),
                source: row.try_get("source").map_err(&failed)?,
            })
        };
        rows.iter().map(imported).collect()
    }

    /// How many versions the responsibility list has. Versions are only ever added, so that a list of as many is the same.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn duty_version_count(&self) -> Result<i64, AlertsError> {
        sqlx::query_scalar("SELECT CAST(COUNT(*) AS BIGINT) FROM duty_items")
            .fetch_one(&self.readers)
            .await
            .map_err(self.failed("count the responsibility list"))
    }

    /// Adds versions to the list, all or none. Versions are written once: where another import came in between and made
    /// a version with the same number, nothing is written.
    ///
    /// # Errors
    /// When the database fails, or another import came in between.
    pub async fn add_duty_versions(
        &self,
        versions: &[ItemVersion],
        source: &str,
        imported_at: Timestamp,
    ) -> Result<(), AlertsError> {
        const DOING: &str = "write the responsibility list";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        for ItemVersion { version, from, item } in versions {
            let inserted = sqlx::query(
                "INSERT INTO duty_items (id, version, effective_from, imported_at, source, item) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id, version) DO NOTHING",
            )
            .bind(&item.id)
            .bind(i64::from(*version))
            .bind(from.to_string())
            .bind(imported_at.0)
            .bind(source)
            .bind(json(item))
            .execute(&mut tx)
            .await
            .map_err(&failed)?;
            if inserted.rows_affected() == 0 {
                return Err(AlertsError::DutyChanged { item: item.id.clone(), version: *version });
            }
        }
        self.commit(tx, &failed).await
    }
}

fn version(row: &AnyRow, failed: &impl Fn(sqlx::Error) -> AlertsError) -> Result<ItemVersion, AlertsError> {
    let id: String = row.try_get("id").map_err(failed)?;
    let damaged = |column: &'static str, source: Source| AlertsError::DutyRow { item: id.clone(), column, source };
    let version: i64 = row.try_get("version").map_err(failed)?;
    let from: String = row.try_get("effective_from").map_err(failed)?;
    let item: String = row.try_get("item").map_err(failed)?;
    Ok(ItemVersion {
        version: version.try_into().map_err(|error: std::num::TryFromIntError| damaged("version", error.into()))?,
        from: from.parse().map_err(|error: jiff::Error| damaged("effective_from", error.into()))?,
        item: serde_json::from_str(&item).map_err(|error| damaged("item", error.into()))?,
    })
}
