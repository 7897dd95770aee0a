"""The document: the tables, and the prose of the templates beside this file around them."""

from functools import partial
from pathlib import Path
from string import Template

from . import accuracy, plot
from .figures import Figures

TEMPLATE = Path(__file__).with_name("performance.template.md")
ACCURACY_TEMPLATE = Path(__file__).with_name("accuracy.template.md")
NOTHING = "–"

# What timeball aims at: CPU time of a reply against another server's, under a load.
RATIO_AIMS = [
    ("saturated", "floor-batch", 1.08),
    ("saturated", "chronyd", 0.95),
    ("saturated", "ntpd-rs", 0.65),
    ("rate", "floor-single", 1.20),
]
RESIDENT_AIM_MIB = 12


class Report:
    """The document and the plot of one comparison."""

    def __init__(self, comparison):
        """comparison: what `benches/peers` keeps of a run, as in `target/peers/run.json`."""
        self.run = comparison
        self.options = comparison["options"]
        self.figures = Figures(comparison["rounds"])
        self.servers = comparison["servers"]
        self.titles = {server["name"]: server["title"] for server in self.servers}

    def document(self):
        options = self.options
        return Template(TEMPLATE.read_text()).substitute(
            date=self.run["date"],
            rounds=count(options["rounds"], "round"),
            seconds=f"{options['seconds']:g}",
            window=options["window"],
            rate=f"{options['rate']:,}",
            sockets=options["sockets"],
            server_cpu=options["server_cpu"],
            load_cpu=options["load_cpu"],
            warning=self.warning(),
            saturated=self.saturated(),
            steady=self.steady(),
            timestamps=self.timestamps(),
            aims=self.aims(),
            notes=self.notes(),
            machine=table(("what", "value"), self.run["machine"].items()),
            versions=self.versions(),
            commands=self.commands(),
        )

    def warning(self):
        if not self.run["doubts"]:
            return ""
        return f"> **Do not quote these figures**: {'; '.join(self.run['doubts'])}.\n\n"

    def rows(self, load, cells):
        """A row for each server, the cheapest first, those without figures last."""
        for server in sorted(self.servers, key=lambda server: self.cost(server["name"], load)):
            name, title = server["name"], self.shown(server)
            if self.figures.samples(name, load):
                yield (title, *cells(name))
            else:
                why = f"**did not run**: {quoted(server['error'] or 'no rounds')}"
                yield (title, why, *[NOTHING] * (len(cells("")) - 1))

    def shown(self, server):
        return f"**{server['title']}**" if server["name"] == "timeball" else server["title"]

    def cost(self, name, load):
        spread = self.figures.spread(name, load, "cpu_ns")
        return spread.median if spread else float("inf")

    def saturated(self):
        def cells(name):
            return (
                self.cpu(name, "saturated"),
                ratio(self.figures.ratio(name, "chronyd", "saturated")),
                ratio(self.figures.ratio(name, "floor-batch", "saturated")),
                self.rate(name, "saturated"),
                self.whole(name, "saturated", "invalid"),
                self.whole(name, "saturated", "lost"),
                mib(self.figures.spread(name, "saturated", "resident_kib")),
            )

        heading = ("server", "CPU time of a reply, ns", "× chronyd", "× floor, batches")
        heading += ("replies/s", "invalid", "lost", "memory, MiB")
        return table(heading, self.rows("saturated", cells))

    def steady(self):
        def cells(name):
            return (
                self.cpu(name, "rate"),
                ratio(self.figures.ratio(name, "chronyd", "rate")),
                ratio(self.figures.ratio(name, "floor-single", "rate")),
                self.rate(name, "rate"),
                self.whole(name, "rate", "invalid"),
                self.whole(name, "rate", "lost"),
                micros(self.figures.spread(name, "rate", "p50_us")),
                micros(self.figures.spread(name, "rate", "p99_us")),
            )

        heading = ("server", "CPU time of a reply, ns", "× chronyd", "× floor, one by one")
        heading += ("replies/s", "invalid", "lost", "median latency, µs", "99 %, µs")
        return table(heading, self.rows("rate", cells))

    def timestamps(self):
        """The section on transmit timestamps; nothing of a run that did not look at them."""
        figures = self.timestamps_table()
        if not figures:
            return ""
        return Template(ACCURACY_TEMPLATE.read_text()).substitute(
            table=figures,
            idle=f"{accuracy.IDLE_REQUESTS:,}",
            saturated=f"{accuracy.SATURATED_REQUESTS:,}",
            window=self.options["window"],
            unseen=self.unseen(),
        )

    def timestamps_table(self):
        def cells(name):
            for load in accuracy.LOADS:
                of = partial(self.figures.spread, name, accuracy.sample_name(load))
                yield signed_micros(of("mean"))
                yield fine_micros(of("mean_absolute"))
                yield fine_micros(of("p99_absolute"))

        heading = ["server"]
        for load in accuracy.LOADS:
            heading += [f"{load}: mean error", "mean absolute error", "99 % of it"]
        rows = [(self.shown(server), *cells(server["name"])) for server in self.stamped()]
        return table(heading, rows) if rows else ""

    def unseen(self):
        """The servers whose timestamps cannot be looked at."""
        taking = [server["title"] for server in self.servers if server.get("takes_timestamps")]
        if not taking:
            return ""
        return f"- **Not here**: {', '.join(taking)}, as only one can take a reply's stamp.\n"

    def stamped(self):
        """The servers with figures of their timestamps, the most accurate first."""

        def size(server):
            name = accuracy.sample_name("saturated")
            return self.figures.spread(server["name"], name, "mean_absolute")

        return sorted(filter(size, self.servers), key=lambda server: size(server).median)

    def cpu(self, name, load):
        spread = self.figures.spread(name, load, "cpu_ns")
        return spread and f"{spread.median:,.0f} ({spread.least:,.0f}..{spread.greatest:,.0f})"

    def rate(self, name, load):
        spread = self.figures.spread(name, load, "replies_per_second")
        return spread and f"{spread.median:,.0f}"

    def whole(self, name, load, key):
        return f"{self.figures.total(name, load, key):,}"

    def aims(self):
        def rows():
            for load, baseline, most in RATIO_AIMS:
                title = self.titles.get(baseline, baseline)
                what = f"CPU time of a reply, {self.load_title(load)}, × {title}"
                spread = self.figures.ratio("timeball", baseline, load)
                yield what, f"at most {most:.2f}", ratio(spread, 3), verdict(spread, most)
            spread = self.figures.spread("timeball", "saturated", "resident_kib")
            reached = verdict(spread, RESIDENT_AIM_MIB * 1024)
            yield "memory, saturated, MiB", f"below {RESIDENT_AIM_MIB}", mib(spread), reached
            loads = ("saturated", "rate")
            samples = [each for load in loads for each in self.figures.samples("timeball", load)]
            invalid = sum(each["invalid"] for each in samples)
            found = f"{invalid:,}" if samples else NOTHING
            reached = ("no" if invalid else "yes") if samples else NOTHING
            yield "wrong replies", "0", found, reached

        return table(("what", "aim", "measured", "reached"), rows())

    def load_title(self, load):
        return "saturated" if load == "saturated" else f"{self.options['rate']:,}/s"

    def notes(self):
        """What a reader must know of single servers: how it was run, what went wrong."""
        lines = []
        for server in self.servers:
            name = server["name"]
            parts = [server["note"]] if server["note"] else []
            samples = [
                each for load in ("saturated", "rate") for each in self.figures.samples(name, load)
            ]
            if any(each["unsynchronised"] for each in samples):
                parts.append("says in its replies that its clock is not synchronised")
            behind = sum(each["generator_behind"] for each in samples)
            # As `timeball bench` judges: up to one in a hundred is the scheduler's.
            if behind * 100 > sum(each["sent"] for each in samples if each["is_open"]):
                parts.append(f"the generator sent {behind:,} requests late or not at all")
            dropped = sum(each["generator_dropped"] for each in samples)
            if dropped:
                parts.append(f"of the lost, {dropped:,} replies were dropped at the generator")
            if server["error"]:
                parts.append(f"**failed**: {quoted(server['error'])}")
            if parts:
                lines.append(f"- **{server['title']}**: {'; '.join(parts)}.")
        return "\n".join(lines)

    def versions(self):
        rows = ((server["title"], f"`{server['version']}`") for server in self.servers)
        return table(("server", "version"), rows)

    def commands(self):
        return "\n".join(server["command"] for server in self.servers)

    def svg(self):
        panels = []
        for load, title in [
            ("saturated", "saturated"),
            ("rate", f"at {self.options['rate']:,} requests/s"),
        ]:
            rows = [
                (server["name"], server["title"], spread)
                for server in self.servers
                if (spread := self.figures.spread(server["name"], load, "cpu_ns"))
            ]
            rows.sort(key=lambda row: row[2].median)
            panels.append((f"CPU time of each reply, {title} (the line: least to greatest)", rows))
        return plot.svg(panels)


def table(heading, rows):
    """A table. One of more than names and values has its numbers to the right."""
    rows = [[str(cell) if cell is not None else NOTHING for cell in row] for row in rows]
    side = "---:" if len(heading) > 2 else "---"
    lines = [heading, ["---", *[side] * (len(heading) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ratio(spread, digits=2):
    if spread is None:
        return None
    if spread.least == spread.greatest == 1:
        return "1"
    middle, least, greatest = (
        f"{value:.{digits}f}" for value in (spread.median, spread.least, spread.greatest)
    )
    return f"{middle} ({least}..{greatest})"


def quoted(text):
    """What a program said, so that it stays within a cell."""
    return f"`{text.replace('`', chr(39)).replace('|', '/')}`"


def mib(spread):
    return spread and f"{spread.greatest / 1024:.1f}"


def micros(spread):
    return spread and f"{spread.median:,.0f}"


def signed_micros(spread):
    return spread and f"{spread.median / 1_000:+,.1f}"


def fine_micros(spread):
    return spread and (
        f"{spread.median / 1_000:,.1f} "
        f"({spread.least / 1_000:,.1f}..{spread.greatest / 1_000:,.1f})"
    )


def verdict(spread, most):
    if spread is None:
        return NOTHING
    return "yes" if spread.median <= most else "**no**"


def count(number, noun):
    return f"{number} {noun}" + ("" if number == 1 else "s")
