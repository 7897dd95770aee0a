"""The plot: a bar for each server and load, in SVG, readable on light and dark."""

from xml.sax.saxutils import escape

WIDTH = 760
LABEL_WIDTH = 150
VALUE_WIDTH = 170
BAR_HEIGHT = 18
ROW_HEIGHT = 28
HEADING_HEIGHT = 46

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #3b434b; }
  .heading { font-weight: 600; }
  .bar { fill: #8b98a5; }
  .own { fill: #2f81c7; }
  .floor { fill: #b9a44c; }
  .range { stroke: #3b434b; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #c3ccd5; }
    .bar { fill: #7d8a97; }
    .own { fill: #4c9be0; }
    .floor { fill: #ab9743; }
    .range { stroke: #e3e9ef; }
  }
"""


def svg(panels):
    """panels: (heading, rows) with rows of (name, title, Spread in ns), the best first."""
    height = sum(HEADING_HEIGHT + ROW_HEIGHT * len(rows) for _, rows in panels) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>CPU time of each reply, by server</title>",
        f"<style>{STYLE}</style>",
    ]
    top = 0
    for heading, rows in panels:
        parts += panel(heading, rows, top)
        top += HEADING_HEIGHT + ROW_HEIGHT * len(rows)
    return "\n".join([*parts, "</svg>"]) + "\n"


def panel(heading, rows, top):
    yield f'<text class="heading" x="8" y="{top + 28}">{escape(heading)}</text>'
    most = max((spread.greatest for _, _, spread in rows), default=1)
    scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / most
    for index, (name, title, spread) in enumerate(rows):
        y = top + HEADING_HEIGHT + ROW_HEIGHT * index
        middle, line = y + BAR_HEIGHT / 2, y + BAR_HEIGHT - 4
        least, greatest = (LABEL_WIDTH + value * scale for value in (spread.least, spread.greatest))
        value = f"{spread.median / 1000:.2f} µs"
        reach = f"{spread.least / 1000:.2f} to {spread.greatest / 1000:.2f}"
        yield f'<text x="{LABEL_WIDTH - 8}" y="{line}" text-anchor="end">{escape(title)}</text>'
        yield (
            f'<rect class="{kind(name)}" x="{LABEL_WIDTH}" y="{y}" rx="2" '
            f'width="{spread.median * scale:.1f}" height="{BAR_HEIGHT}"/>'
        )
        yield (
            f'<line class="range" x1="{least:.1f}" y1="{middle}" '
            f'x2="{greatest:.1f}" y2="{middle}"/>'
        )
        yield (
            f'<text x="{WIDTH - VALUE_WIDTH + 10}" y="{line}">{value} ({reach})</text>'
        )


def kind(name):
    if name == "timeball":
        return "own"
    return "floor" if name.startswith("floor") else "bar"
