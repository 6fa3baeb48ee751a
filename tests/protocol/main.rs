//! The whole server, natively, through `router::handle`: real SQL on SQLite from `schema.sql`, a fake clock, seeded
//! randomness. A test is a sentence of the specification; it speaks HTTP, and stands alone.

mod support;

mod password_grant;
