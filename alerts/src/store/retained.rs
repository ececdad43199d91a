//! The topics under which the broker may hold the state of a camera.

use super::Store;
use crate::AlertsError;

impl Store {
    /// All of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retained_topics(&self) -> Result<Vec<String>, AlertsError> {
        sqlx::query_scalar("SELECT topic FROM retained_statuses ORDER BY topic")
            .fetch_all(&self.readers)
            .await
            .map_err(self.failed("read which states the broker holds"))
    }

    /// Writes further ones; those that are known stay.
    ///
    /// # Errors
    /// When the database fails; nothing is written then, and the call may be repeated.
    pub async fn note_retained<'t>(&self, topics: impl IntoIterator<Item = &'t String>) -> Result<(), AlertsError> {
        self.change("INSERT INTO retained_statuses (topic) VALUES ($1) ON CONFLICT (topic) DO NOTHING", topics).await
    }

    /// Forgets those at which nothing is held any more.
    ///
    /// # Errors
    /// When the database fails; nothing is written then, and the call may be repeated.
    pub async fn forget_retained<'t>(&self, topics: impl IntoIterator<Item = &'t String>) -> Result<(), AlertsError> {
        self.change("DELETE FROM retained_statuses WHERE topic = $1", topics).await
    }

    async fn change<'t>(
        &self,
        statement: &'static str,
        topics: impl IntoIterator<Item = &'t String>,
    ) -> Result<(), AlertsError> {
        const DOING: &str = "write which states the broker holds";
        let failed = self.failed(DOING);
        let mut tx = self.begin(DOING).await?;
        for topic in topics {
            sqlx::query(statement).bind(topic).execute(&mut tx).await.map_err(&failed)?;
        }
        self.commit(tx, &failed).await
    }
}
