//! For people: one file for each page. A view is a function from plain data to [`layout::Html`]; handlers decide.

pub mod error;
pub mod home;
pub mod layout;
