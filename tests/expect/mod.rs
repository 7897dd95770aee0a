//! Judging clients: for each expectation one that meets it, one that does not,
//! and one that shows nothing.

mod check;
mod counts;
mod guessing;
mod kisses;
mod recovery;
mod rejection;
mod scene;
mod verdict;
