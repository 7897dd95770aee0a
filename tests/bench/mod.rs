//! The load generator: what it counts, against a server in this process and
//! against servers that misbehave, and what its subcommand prints.

mod command;
mod counts;
mod honest;
