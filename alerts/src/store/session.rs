//! Statements that are given up: a server whose machine hangs takes them in and never answers, while its kernel says that all
//! is well. Each answer, and each row of one, is waited for so long as the server's own limit for a statement, and somewhat
//! longer; then the connection is dropped, the call fails as one to a server that is away, and the next one is made on a
//! new connection.
//!
//! What was being written may have been written all the same. Every call that writes may be repeated for that reason.

use std::{io, ops::Deref, time::Duration};

use futures::{
    FutureExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Any, AnyConnection, AnyPool, Connection as _, Either, Error, Execute, Executor, SqlStr, Transaction,
    any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo},
};

/// How long an answer is waited for; a file's for ever.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience(pub(super) Option<Duration>);

impl Patience {
    /// Waits for what a connection does.
    pub(super) async fn wait<T>(self, done: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Some(longest) = self.0 else { return done.await };
        let late = |_| {
            let text = format!("no answer within {longest:?}: its machine may hang");
            Error::Io(io::Error::new(io::ErrorKind::TimedOut, text))
        };
        tokio::time::timeout(longest, done).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    /// Each item of an answer.
    fn wait_for_each<'e, T: Send + 'e>(
        self,
        answer: BoxStream<'e, Result<T, Error>>,
    ) -> BoxStream<'e, Result<T, Error>> {
        let next = move |mut answer: BoxStream<'e, Result<T, Error>>| async move {
            let item = self.wait(answer.next().map(Option::transpose)).await?;
            Ok(item.map(|item| (item, answer)))
        };
        stream::try_unfold(answer, next).boxed()
    }
}

/// Connections that are used by turns.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) connections: AnyPool,
    pub(super) patience: Patience,
}

impl Pool {
    /// A transaction that begins so.
    pub(super) async fn begin_with(&self, begin: &'static str) -> Result<Session, Error> {
        let transaction = self.patience.wait(self.connections.begin_with(begin)).await?;
        Ok(Session { held: Held::Transaction(transaction), patience: self.patience, queued: 0 })
    }
}

impl Deref for Pool {
    type Target = AnyPool;

    fn deref(&self) -> &AnyPool {
        &self.connections
    }
}

/// A connection that is held for several statements.
#[derive(Debug)]
pub(super) struct Session {
    held: Held,
    patience: Patience,
    /// Messages that were put into the outbox in it.
    pub(super) queued: usize,
}

#[derive(Debug)]
enum Held {
    /// Rolled back unless it is committed.
    Transaction(Transaction<'static, Any>),
    /// One that belongs to no pool.
    Connection(AnyConnection),
}

impl Session {
    /// On a connection that belongs to no pool.
    pub(super) fn new(connection: AnyConnection, patience: Patience) -> Self {
        Self { held: Held::Connection(connection), patience, queued: 0 }
    }

    /// Has all that was written in it on disk when this returns; then there is nothing to commit any more.
    pub(super) async fn commit(self) -> Result<(), Error> {
        match self.held {
            Held::Transaction(transaction) => self.patience.wait(transaction.commit()).await,
            Held::Connection(_) => Ok(()),
        }
    }

    /// Says goodbye; one that fails hurts nobody.
    pub(super) async fn close(self) {
        if let Held::Connection(connection) = self.held {
            let _ = self.patience.wait(connection.close()).await;
        }
    }

    fn connection(&mut self) -> &mut AnyConnection {
        match &mut self.held {
            Held::Transaction(transaction) => &mut *transaction,
            Held::Connection(connection) => connection,
        }
    }
}

impl<'c> Executor<'c> for &'c mut Session {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let patience = self.patience;
        patience.wait_for_each(self.connection().fetch_many(query))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let patience = self.patience;
        patience.wait(self.connection().fetch_optional(query)).boxed()
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [AnyTypeInfo]) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'c: 'e,
    {
        let patience = self.patience;
        patience.wait(self.connection().prepare_with(sql, parameters)).boxed()
    }
}

impl<'c> Executor<'c> for &'c Pool {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        self.patience.wait_for_each(self.connections.fetch_many(query))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        self.patience.wait(self.connections.fetch_optional(query)).boxed()
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [AnyTypeInfo]) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'c: 'e,
    {
        self.patience.wait(self.connections.prepare_with(sql, parameters)).boxed()
    }
}
