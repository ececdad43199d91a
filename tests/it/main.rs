//! The whole program and its sources, from outside.

mod architecture;
