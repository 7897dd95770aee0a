//! What looks at a server's status: `timeball top`.

mod top;
