"""What was measured, as Markdown for docs/performance.md."""

import statistics

# What is to be reached.
RATIO_BAR = 10
CORE_BAR = 3_000_000
LOOPBACK_BAR = 2


def median(rounds, *path):
    """The median over the rounds that have it; None where none has."""
    values = []
    for each in rounds:
        for key in path:
            each = each.get(key, {}) if isinstance(each, dict) else {}
        if isinstance(each, (int, float)):
            values.append(each)
    return statistics.median(values) if values else None


def total(rounds, placement, key):
    """Of all servers and rounds."""
    found = [sample[key] for each in rounds for sample in each.get(placement, {}).values()]
    return sum(found)


def ratios(rounds, over, under, base=None, placement="one_core"):
    """CPU time of a reply of `over` in those of `under`, of each round that has both; less
    that of `base`."""
    found = []
    for each in rounds:
        samples = each.get(placement, {})
        if all(name in samples for name in filter(None, (over, under, base))):
            less = samples[base]["cpu_ns"] if base else 0
            above, below = (samples[name]["cpu_ns"] - less for name in (over, under))
            # Below what is taken off there is only noise.
            found.append(above / below if below > 0 else float("inf"))
    return found


def spread(values, form):
    """The median, and (least..greatest)."""
    if not values:
        return "-"
    low, middle, high = min(values), statistics.median(values), max(values)
    if len(values) == 1:
        return form.format(middle)
    return f"{form.format(middle)} ({form.format(low)}..{form.format(high)})"


METHOD = """\
- **Method**: `benches/xdp/run`, medians of {rounds} (least..greatest), ratios taken within
  each round. Two network namespaces, a veth pair between them, one queue. Requests are made
  by a program in the kernel on live frames (`BPF_PROG_TEST_RUN`) and sent without socket
  buffers, as a driver has them: IPv4, each with a source port, a transmit timestamp and
  checksums of its own, from one address or a million. Another program looks at every reply:
  length, addresses of both kinds, ports, version, mode, stratum, leap indicator, the origin
  timestamp that this client's request had, both other timestamps, and both checksums, the
  whole of them.
- **CPU time** is that of the load, of the server's processes, and of the kernel's threads
  for receiving; what interrupts them to work through the network's queues counts as theirs.
  *One core* has all of it on one CPU, with nothing to wait for; *own core* has the load on
  another CPU, and counts the server's CPU, the look at the replies included. Sockets are
  measured there at the highest rate at which they lose less than 0.1 %.
- **The baseline** is what it costs to make a request, send it, receive it and drop it.
- **Sockets, replies cut**: what the server sends is dropped where it leaves the network
  stack. The whole way costs it more, since each reply is copied for the program that looks
  at it: a cost of this harness. The ratios are those over the cheaper one.
- **Loopback**: `timeball bench`, 128 requests in flight, and all on one CPU: that of the
  load, of the server and of the kernel. Taken off is what a request costs that is sent and
  dropped. The load looks for replies for 50 us in vain before the server's turn comes.
- **Limits**: no real network card: no DMA, no descriptor rings, no interrupts. Sockets are
  slow in a virtual machine with mitigations, and XDP hardly feels those, so the ratio is
  smaller on hardware. IPv4 alone is measured."""


class Report:
    """The tables of a run."""

    def __init__(self, run):
        self.rounds = run["rounds"]
        self.titles = run["titles"]
        self.loopback_titles = run["loopback_titles"]

    def values(self, placement, name, key):
        samples = [each.get(placement, {}).get(name) for each in self.rounds]
        return [sample[key] for sample in samples if sample]

    def one_core(self):
        lines = [
            "| one core | CPU time of a reply, ns | less the baseline | × the replies per CPU "
            "second of sockets, cut | × less the baseline | replies/s | checked | invalid | lost |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        base = median(self.rounds, "one_core", "baseline", "cpu_ns")
        for name, title in self.titles.items():
            costs = self.values("one_core", name, "cpu_ns")
            if not costs:
                continue
            above = "-"
            if base is not None and name != "baseline":
                above = f"{statistics.median(costs) - base:,.0f}"
            all_in = ratios(self.rounds, "sockets-cut", name)
            less = ratios(self.rounds, "sockets-cut", name, "baseline")
            is_ratio = name not in ("baseline", "sockets-cut")
            rate = median(self.rounds, "one_core", name, "replies_per_second")
            checked = sum(self.values("one_core", name, "checked"))
            lines.append(
                f"| {title} | {spread(costs, '{:,.0f}')} | {above} "
                f"| {spread(all_in, '{:.1f}') if is_ratio else '-'} "
                f"| {spread(less, '{:.1f}') if is_ratio else '-'} "
                f"| {rate:,.0f} | {checked:,} "
                f"| {sum(self.values('one_core', name, 'invalid')):,} "
                f"| {sum(self.values('one_core', name, 'lost')):,} |"
            )
        return "\n".join(lines)

    def own_core(self):
        lines = [
            "| own core | valid replies/s | requests/s | server's CPU, ns a reply | checked "
            "| invalid |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for name, title in self.titles.items():
            rates = self.values("own_core", name, "replies_per_second")
            if rates:
                asked = statistics.median(self.values("own_core", name, "sent_per_second"))
                cost = statistics.median(self.values("own_core", name, "cpu_ns"))
                lines.append(
                    f"| {title} | {spread(rates, '{:,.0f}')} | {asked:,.0f} | {cost:,.0f} "
                    f"| {sum(self.values('own_core', name, 'checked')):,} "
                    f"| {sum(self.values('own_core', name, 'invalid')):,} |"
                )
        return "\n".join(lines)

    def loopback(self):
        lines = [
            "| loopback, generic mode | CPU time of the machine for a reply, ns | less the drop "
            "| × chronyd's replies per CPU second, less the drop | replies/s | invalid | lost |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        base = median(self.rounds, "loopback", "drop", "cpu_ns")
        for name, title in self.loopback_titles.items():
            costs = self.values("loopback", name, "cpu_ns")
            if not costs:
                continue
            cost = statistics.median(costs)
            above = "-" if base is None or name == "drop" else f"{cost - base:,.0f}"
            less = ratios(self.rounds, "chronyd", name, "drop", "loopback")
            ratio = spread(less, "{:.2f}") if name not in ("drop", "chronyd") else "-"
            rate = median(self.rounds, "loopback", name, "replies_per_second")
            lost = "-" if name == "drop" else f"{sum(self.values('loopback', name, 'lost')):,}"
            lines.append(
                f"| {title} | {spread(costs, '{:,.0f}')} | {above} | {ratio} | {rate:,.0f} "
                f"| {sum(self.values('loopback', name, 'invalid')):,} | {lost} |"
            )
        return "\n".join(lines)

    def bars(self):
        """What was to be reached, and whether it was."""
        lines = []
        for label, base in (("all in", None), ("less the baseline", "baseline")):
            found = ratios(self.rounds, "sockets-cut", "xdp", base)
            if found:
                lines.append(verdict(
                    f"× the replies per CPU second of sockets (cut), {label}",
                    statistics.median(found), RATIO_BAR, "{:.1f}",
                ))
        found = ratios(self.rounds, "sockets", "xdp")
        if found:
            lines.append(verdict(
                "× the replies per CPU second of sockets (whole way), all in",
                statistics.median(found), RATIO_BAR, "{:.1f}",
            ))
        found = ratios(self.rounds, "sockets-guarded", "xdp-guarded")
        if found:
            lines.append(verdict(
                "× the same with lists, limits and a million clients",
                statistics.median(found), RATIO_BAR, "{:.1f}",
            ))
        for placement, who in (
            ("one_core", "which also makes the requests and looks at the replies"),
            ("own_core", "which also looks at the replies; another makes the requests"),
        ):
            rate = median(self.rounds, placement, "xdp", "replies_per_second")
            if rate is not None:
                what = f"valid replies/s on one core, {who}"
                lines.append(verdict(what, rate, CORE_BAR, "{:,.0f}"))
        found = ratios(self.rounds, "chronyd", "xdp", "drop", "loopback")
        if found:
            lines.append(verdict(
                "× chronyd's replies per CPU second of the machine, on loopback, less the drop",
                statistics.median(found), LOOPBACK_BAR, "{:.2f}",
            ))
        invalid = self.invalid()
        lines.append(f"- invalid replies: {invalid:,}: {'reached' if not invalid else 'MISSED'}")
        return "\n".join(lines)

    def invalid(self):
        """Invalid replies, of everything."""
        placements = ("one_core", "own_core", "loopback")
        return sum(total(self.rounds, placement, "invalid") for placement in placements)

    def passed(self):
        """Replies that the driver should have given and sockets gave, on one core."""
        found = [self.values("one_core", name, "by_sockets") for name in ("xdp", "xdp-guarded")]
        return sum(map(sum, found))

    def doubts(self):
        """Where something else was at work on the server's CPU."""
        found = []
        for number, each in enumerate(self.rounds, 1):
            for placement in ("one_core", "own_core"):
                for name, sample in each.get(placement, {}).items():
                    foreign = sample["busy"] - sample["ours"]
                    if abs(foreign) > 0.1:
                        found.append(
                            f"round {number}, {placement} {name}: the CPU was busy for "
                            f"{sample['busy']:.0%} of the time, with this for {sample['ours']:.0%}"
                        )
        return found

    def document(self):
        parts = [self.one_core(), self.own_core(), self.loopback()]
        # One without rows has two lines.
        filled = [part for part in parts if part.count("\n") > 1]
        count = len(self.rounds)
        rounds = f"{count} rounds" if count > 1 else "one round"
        return "\n\n".join([*filled, METHOD.format(rounds=rounds), self.bars()])


def verdict(what, value, bar, form):
    reached = "reached" if value >= bar else "MISSED"
    return f"- {what}: {form.format(value)}, to reach {form.format(bar)}: {reached}"
