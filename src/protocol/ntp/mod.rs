//! NTP, versions 1 to 4. RFC 5905.

pub mod header;

pub use header::Header;
