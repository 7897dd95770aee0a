//! The walk over `[control]` and `[http]`: where something is asked over HTTP.

use super::{CONTROL, CONTROL_TABLE, HTTP, HTTP_TABLE, Walk, join};
use crate::api::settings::Key;
use crate::settings::addresses::{Place, conflict};
use crate::settings::errors::{Origin, SettingsError};
use crate::settings::loader::Environment;
use crate::settings::{WebSettings, strays};
use crate::web::{Token, TokenError, is_loopback};
use config::{Value, ValueKind};

const ADDRESS: &str = "address";

impl<'t> Walk<'t> {
    pub(super) fn control(
        &mut self,
        control: Option<&'t Value>,
        environment: &Environment,
    ) -> Option<WebSettings> {
        let variable = Token::CONTROL_VARIABLE;
        let web = self.web(CONTROL_TABLE, CONTROL, control, (variable, environment))?;
        let has_token = web.token.is_some() || web.token_file.is_some();
        if let Some(given) = address_in(control)
            && !is_loopback(web.address)
            && !has_token
        {
            let problem = format!(
                "not loopback, so whoever controls there has to show a token: set \
                 control.token_file, or the variable {variable}"
            );
            self.reject(join(CONTROL_TABLE, ADDRESS), given, problem);
        }
        Some(web)
    }

    /// Beyond loopback no token is needed: without one less is told there.
    pub(super) fn http(
        &mut self,
        http: Option<&'t Value>,
        environment: &Environment,
        control: Option<&WebSettings>,
    ) -> Option<WebSettings> {
        let variable = Token::HTTP_VARIABLE;
        let web = self.web(HTTP_TABLE, HTTP, http, (variable, environment))?;
        let place = |web: &WebSettings| Place {
            address: web.address,
            interface: None,
        };
        if let (Some(given), Some(control)) = (address_in(http), control)
            && conflict(place(&web), place(control))
        {
            let problem = format!(
                "control.address = \"{}\" takes this port already; another port is needed",
                control.address
            );
            self.reject(join(HTTP_TABLE, ADDRESS), given, problem);
        }
        Some(web)
    }

    /// What `table` says, whose keys are `keys` and whose token may stand in a
    /// variable of the environment; `None` where there is none, or it is wrong.
    fn web(
        &mut self,
        table: &str,
        keys: &'static [Key],
        value: Option<&'t Value>,
        (variable, environment): (&str, &Environment),
    ) -> Option<WebSettings> {
        let value = value?;
        let ValueKind::Table(inner) = &value.kind else {
            self.reject(table, value, format!("not a table; write [{table}]"));
            return None;
        };
        let mut variables = environment.iter();
        let given = variables.find(|(name, _)| *name == variable);
        // What is not UTF-8 is no token, and not the same as none.
        let token = given.map(|(_, token)| token.to_str().unwrap_or_default().parse());
        let token = match token {
            None => None,
            Some(Ok(token)) => Some(token),
            Some(Err(error)) => {
                self.errors.push(SettingsError::Unreadable {
                    origin: Origin::Environment {
                        variable: variable.to_owned(),
                    },
                    problem: TokenError::to_string(&error),
                });
                return None;
            }
        };
        let declared: Vec<&Key> = keys.iter().collect();
        let origin = self.origin(value);
        let values = self.table(table, inner, &origin, &declared, |key| {
            strays::of_table(keys, key)
        });
        Some(WebSettings {
            address: values.find_socket_address(ADDRESS)?,
            token_file: values.find_text("token_file"),
            token,
        })
    }
}

/// The address that a table gives, where it gives one.
fn address_in(table: Option<&Value>) -> Option<&Value> {
    match &table?.kind {
        ValueKind::Table(table) => table.get(ADDRESS),
        _ => None,
    }
}
