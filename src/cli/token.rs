//! The token of control or of `[http]`, as the command line and the environment give it.

use std::path::Path;
use timeball::control::Token;

/// The token in `file`, which the flag `flag` named; without it that of
/// `variable`, if it is set.
///
/// # Errors
/// Why there is none where one was named.
pub fn token(flag: &str, file: Option<&Path>, variable: &str) -> Result<Option<Token>, String> {
    if let Some(file) = file {
        let token = Token::read(file);
        return token
            .map(Some)
            .map_err(|error| format!("{flag} {}: {error}", file.display()));
    }
    let Some(given) = std::env::var_os(variable) else {
        return Ok(None);
    };
    let token = given.to_str().unwrap_or_default().parse();
    token
        .map(Some)
        .map_err(|error| format!("{variable}: {error}"))
}
