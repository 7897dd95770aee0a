//! The protocols, each as bytes in and bytes out.

pub mod ntp;
