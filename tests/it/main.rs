//! The whole program and its sources, from outside.

mod architecture;
mod embedded_broker;
