//! gridwatch

pub mod broker;
