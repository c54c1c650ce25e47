//! The gateway over real sockets, with a chat role that each test scripts.

mod drains;
mod health;
mod page;
mod requests;
mod setup;
mod streams;
