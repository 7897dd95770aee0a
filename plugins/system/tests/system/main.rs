//! The `system` source as its users see it: a machine that is made up, and no
//! clock but a test's own.

mod leap;
mod machine;
mod notices;
mod readings;
