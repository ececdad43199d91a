//! The responsibility list (the platform's knowledge base): which unit answers for what, where and when, how, and how soon.
//!
//! A city's list is data. Each [`DutyItem`] says kind, place and time on one side and case codes, unit, copies, steps,
//! level, limits and pictures on the other. An import makes a new version of each item that changed and keeps the old
//! ones; a [`Route`] names the item and version that decided, and why it and no other.
//!
//! The most specific place wins (cell, community, street, district, anywhere), and at one place an item for certain
//! hours wins over one for all. Two items that would tie never get into the list.

mod history;
mod import;
mod item;
mod list;
mod pictures;
#[cfg(test)]
mod tests;

pub use self::{
    history::{Edit, ImportedVersion, edits},
    import::{Change, Difference, Fault, Import, Row},
    item::{CaseCode, CodeError, DutyItem, ItemVersion, Task, Words},
    list::{DutyList, Route},
    pictures::PicturesWanted,
};
