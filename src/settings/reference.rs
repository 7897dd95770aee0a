//! The reference of all settings, written from their declarations: as
//! Markdown for `docs/settings.md`, and as plain text of the kinds of source
//! for `timeball sources`.

use super::schema::{
    ADMISSION, CONTROL, HTTP, KIND, LISTENER, LOG, PROTOCOLS, RATE_LIMIT, SANDBOX, TOP, XDP,
};
use super::value::describe;
use crate::api::settings::{Default, Key};
use crate::sources::KINDS;

/// What stands above the tables of `docs/settings.md`.
const INTRODUCTION: &str = "\
# Settings

Every setting, what it accepts and its default. This page is written from the
declarations that the program checks settings with:
`timeball settings --reference` prints it.

## Where settings come from

Each of these over the one before:

1. **A file**: the one named with `--settings FILE`, else `settings.toml` in the
   current folder, else the [default file](../settings.toml), which is built in
   (`timeball settings` prints it). A file that is named has to be there.
2. **The environment**, with `__` between levels and a number, from 0, for a
   listener:

   ```sh
   TIMEBALL__THREADS=2
   TIMEBALL__LISTENERS__0__ADDRESS=127.0.0.1:9000
   TIMEBALL__LOG__LEVEL=warn
   TIMEBALL__ADMISSION__ALLOW=192.0.2.0/24,2001:db8::/32
   TIMEBALL__ADMISSION__RATE_LIMIT__BURST=64
   TIMEBALL__CONTROL__ADDRESS=127.0.0.1:0
   TIMEBALL__HTTP__ADDRESS=[::1]:8088
   TIMEBALL__SANDBOX__USER=timeball
   TIMEBALL__SOURCES__WALL__STRATUM=3
   ```

   The number after the last listener adds one. Where a source's name has a
   hyphen, an underscore stands for it (`TIMEBALL__SOURCES__TEST_CLOCK__KIND`).
   `TZ` is the time zone `local`.
3. **Flags** of the command line.

`timeball check [--settings FILE]` prints the settings that come of this, with
every default filled in, or everything that is wrong with them: an unknown key,
a value that is not accepted, settings that cannot stand together. An error
names the place, the key, the value and what is accepted, and nothing is served
before there is none:

```text
settings.toml:6: sources.wall.stratum = 99: outside 1..=15
settings.toml:10: listeners[0].adress: unknown key; did you mean `address`?
```

## How values are written

- **A duration** is a number of seconds (`2`, `0.5`), or text with a unit of
  `ns`, `us` (`µs`), `ms`, `s`, `m` (`min`), `h`, `d` or `w` (`weeks`): `\"500ms\"`.
  It is exact to the nanosecond.
- **A point of time** is RFC 3339: `\"2030-01-01T00:00:00Z\"`, with or without
  quotation marks.
- **Parts per million** may have six decimals and are exact: `-12.5`.
- **A list of networks** may also be one text with commas, as the environment needs
  it: `\"10.0.0.0/8, 2001:db8::/32\"`. An address by itself is a network of one.
- **A format** is that of chrono's
  [strftime](https://docs.rs/chrono/latest/chrono/format/strftime/).
- **A time zone** is `local`, `UTC` or an IANA name. `local` is that of the
  variable `TZ` if it is set, else the host's; it is settled once, at start.

Two listeners cannot have the same address. `0.0.0.0` takes its port on every
IPv4 address and `[::]` on every address, so that nothing else can have it;
port 0 is any free port. Listeners bound to different interfaces never meet.
";

/// `docs/settings.md`.
#[must_use]
pub fn markdown() -> String {
    let mut out = INTRODUCTION.to_owned();
    section(&mut out, "## Top level", "Above all tables.", TOP);
    section(
        &mut out,
        "## `[log]`",
        "What `timeball serve` tells of itself, how and where. Lines that stderr does not take\nin time are left out and counted, so that whoever reads the log holds up nobody. journald\nis written to by whoever logs, who waits for it if it stands still.",
        LOG,
    );
    section(
        &mut out,
        "## `[admission]`",
        "Who is served, and how often. What a listener says of `allow`, `deny` and `on_deny`\ncomes before what stands here.",
        ADMISSION,
    );
    section(
        &mut out,
        "### `[admission.rate_limit]`",
        "How often a client is answered. Absent: the defaults hold for every client but those\non loopback. Written, it holds for all. Rate and burst are the same at every listener, which\nshare one table; a listener can only do without (`rate_limit`).",
        RATE_LIMIT,
    );
    section(
        &mut out,
        "## `[control]`",
        "Control of a running server over HTTP. Absent: none.",
        CONTROL,
    );
    section(
        &mut out,
        "## `[http]`",
        "Metrics, health and status of a running server over HTTP. Absent: none.",
        HTTP,
    );
    section(
        &mut out,
        "## `[sandbox]`",
        "What `serve` gives up once everything is bound: [sandbox.md](sandbox.md).",
        SANDBOX,
    );
    section(
        &mut out,
        "## `[xdp]`",
        "Answers from the network driver: [xdp.md](xdp.md). Absent: none.",
        XDP,
    );
    section(
        &mut out,
        "## `[[listeners]]`",
        "One for each address to listen on; at least one. These keys, and those of its protocol.",
        LISTENER,
    );
    for protocol in PROTOCOLS {
        section(
            &mut out,
            &format!("### `protocol = \"{}\"`", protocol.name),
            &sentence(protocol.summary),
            protocol.keys,
        );
    }
    out.push_str(
        "\n## `[sources.NAME]`\n\nOne for each time source; listeners choose by NAME, which has lower-case letters,\ndigits and hyphens. `timeball sources` prints this part.\n",
    );
    for kind in KINDS {
        section(
            &mut out,
            &format!("### `kind = \"{}\"`", kind.name),
            &sentence(kind.summary),
            kind.keys,
        );
    }
    out
}

fn section(out: &mut String, heading: &str, text: &str, keys: &[Key]) {
    out.push_str(&format!("\n{heading}\n\n{text}\n"));
    if keys.is_empty() {
        out.push_str("\nNo keys of its own.\n");
        return;
    }
    out.push_str("\n| key | accepts | default | what it does |\n|---|---|---|---|\n");
    for key in keys {
        let row = [
            format!("`{}`", key.name),
            describe(&key.accepts),
            match key.default {
                Default::Is(text) => format!("`{text}`"),
                Default::Absent(meaning) => format!("absent: {meaning}"),
                Default::Required => "required".to_owned(),
            },
            key.help.to_owned(),
        ];
        let row = row.map(|cell| cell.replace('|', "\\|"));
        out.push_str(&format!("| {} |\n", row.join(" | ")));
    }
}

/// The kinds of time source with their settings, as `timeball sources` prints
/// them.
#[must_use]
pub fn kinds() -> String {
    let mut out = String::new();
    for kind in KINDS {
        out.push_str(&format!(
            "{}{} = \"{}\"\n    {}\n",
            if out.is_empty() { "" } else { "\n" },
            KIND.name,
            kind.name,
            sentence(kind.summary)
        ));
        for key in kind.keys {
            let default = match key.default {
                Default::Is(text) => format!("default {text}"),
                Default::Absent(meaning) => format!("default: {meaning}"),
                Default::Required => "required".to_owned(),
            };
            let accepts = describe(&key.accepts).replace('`', "");
            out.push_str(&format!(
                "\n    {} ({accepts}; {default})\n        {}\n",
                key.name,
                sentence(key.help)
            ));
        }
    }
    out
}

/// `text` with a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let mut sentence: String = first.to_uppercase().collect();
    sentence.push_str(letters.as_str());
    sentence.push('.');
    sentence
}
