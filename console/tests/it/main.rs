//! The console over real HTTP, a real store and real evidence.

mod evidence;
mod faults;
mod health;
mod house;
mod lists;
mod openapi;
mod pages;
mod review;
mod street;
