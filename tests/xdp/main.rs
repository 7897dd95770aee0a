//! Answers from the network driver. As root: programs are loaded into the kernel,
//! run there for a test, and attached to nothing but interfaces that a test has
//! made in a namespace of its own.

mod attached;
mod differential;
mod frames;
mod instructions;
mod leap;
mod time;
