//! gridwatch
