//! A statement that is put together piece by piece. Values are only ever bound, as `$1`, `$2` ..., which both databases
//! understand; sqlx's own builder writes `?` for a database that is known at run time only, which PostgreSQL does not.

use std::fmt::Write as _;

use sqlx::{Any, Arguments as _, AssertSqlSafe, Encode, Type, any::AnyArguments, query::Query};

/// A statement and its values.
pub(super) struct Sql {
    text: String,
    values: AnyArguments,
}

impl Sql {
    pub(super) fn new(text: &'static str) -> Self {
        Self { text: text.to_owned(), values: AnyArguments::default() }
    }

    /// Appends text that comes from the source, never from outside.
    pub(super) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends a value.
    pub(super) fn bind<'t, T: Encode<'t, Any> + Type<Any>>(&mut self, value: T) -> &mut Self {
        self.values.add(value).expect("text, numbers and bytes always encode");
        write!(self.text, "${}", self.values.len()).expect("a string takes all");
        self
    }

    /// Appends values in parentheses, for `IN`.
    pub(super) fn bind_all<'t, T: Encode<'t, Any> + Type<Any>>(
        &mut self,
        all: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        self.push("(");
        for (n, value) in all.into_iter().enumerate() {
            self.push(if n == 0 { "" } else { ", " }).bind(value);
        }
        self.push(")")
    }

    /// Ready to be run.
    pub(super) fn query(self) -> Query<'static, Any, AnyArguments> {
        sqlx::query_with(AssertSqlSafe(self.text), self.values)
    }
}
