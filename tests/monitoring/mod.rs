//! What looks at a server's metrics and status: `timeball top`, the dashboard, the
//! alerts.

mod names;
mod top;
