//! The console over real HTTP, a real store and real evidence.

mod duty;
mod evidence;
mod faults;
mod figures;
mod health;
mod house;
mod lists;
mod open311;
mod openapi;
mod pages;
mod problems;
mod review;
mod street;
