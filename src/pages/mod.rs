//! For people: one file for each page. A view is a function from plain data to [`layout::Html`]; handlers decide.

pub mod account;
pub mod applications;
pub mod authorized_tokens;
pub mod consent;
pub mod english;
pub mod error;
pub mod form;
pub mod form_post;
pub mod home;
pub mod layout;
pub mod list;
pub mod login;
pub mod mail;
pub mod next;
pub mod oauth1;
pub mod password;
pub mod password_reset;
pub mod person;
pub mod sessions;
pub mod signup;
pub mod social;
pub mod verify_email;
pub mod visitor;
