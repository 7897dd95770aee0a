"""The page that is written, and what is read back from it."""

import re
from pathlib import Path

PASSED, REFUSED, FAILED, NOT_PUT = "✓", "refused", "✗", "–"
_TEMPLATE = Path(__file__).with_name("clients.template.md")


def read(file):
    """By client and scenario: whether it passes, and whether the cell is in bold."""
    cells, clients = {}, None
    for line in file.read_text(encoding="utf-8").splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if row[0] == "scenario":
            clients = row[1:]
        elif clients and (name := re.fullmatch(r"`([a-z0-9-]+)`", row[0])):
            for client, cell in zip(clients, row[1:]):
                if cell != NOT_PUT:
                    cells[client, name[1]] = (FAILED not in cell, cell.startswith("**"))
    return cells


def written(clients, versions, scripts, outcomes, is_held):
    """The page."""
    used = [
        script for script in scripts.values()
        if any((client.name, script.name) in outcomes for client in clients)
    ]

    def cell(client, script):
        outcome = outcomes.get((client.name, script.name))
        if outcome is None:
            return NOT_PUT
        mark = PASSED if outcome.passes else FAILED
        if outcome.passes and outcome.why:
            mark = REFUSED
        return f"**{mark}**" if is_held(client.name, script) else mark

    rows = [["scenario", *(client.name for client in clients)], ["---"] + [":-:"] * len(clients)]
    rows += [[f"`{script.name}`", *(cell(client, script) for client in clients)] for script in used]
    passed = ["passes"]
    for client in clients:
        mine = [outcome.passes for (name, _), outcome in outcomes.items() if name == client.name]
        passed.append(f"{sum(mine)} of {len(mine)}")
    rows.append(passed)

    parts = {
        "CLIENTS": _table(
            [["client", "version", "how it is called"], ["---"] * 3]
            + [[client.name, versions[client.name], client.how] for client in clients]
        ),
        "TABLE": _table(rows),
        "FINDINGS": "\n\n".join(_findings(client, used, outcomes) for client in clients),
        "SETTLES": ", ".join(str(client.settles_s) for client in clients if client.settles_s),
        "LEFT_OUT": ", ".join(f"`{name}`" for name in scripts if scripts[name] not in used),
    }
    page = _TEMPLATE.read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace(f"@{name}@", text)
    return page


def _table(rows):
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _findings(client, scripts, outcomes):
    lines = [f"**{client.name}**", ""]
    for script in scripts:
        outcome = outcomes.get((client.name, script.name))
        if outcome and not outcome.passes:
            lines.append(f"- `{script.name}` ({script.title}): {outcome.why}")
    return "\n".join(lines if len(lines) > 2 else [*lines, "- nothing"])
