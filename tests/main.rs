//! To come.
mod settings;
