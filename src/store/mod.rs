//! SQL, nothing else: one file for each table.

pub mod applications;
pub mod database;
pub mod expired;
pub mod families;
pub mod grants;
pub mod purges;
pub mod users;
