#!/usr/bin/env python3
"""Looks at the status page in headless Chromium, while the real server answers a load.

    python3 tests/page                                   the tests
    python3 tests/page --screenshot docs/status-page.png     and a picture of the page

Debian's chromium, chromium-driver and python3-selenium (`.ci/packages`). The program is
the variable TIMEBALL_BINARY, or the newest in target/. The server, the load and the browser
talk over loopback and to nobody else.
"""

import argparse
import base64
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "python" / "src")]

from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.options import Options  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from timeball import find_binary  # noqa: E402

# What must come is waited for so long, in s; nothing is decided by it.
PATIENCE_S = 60
LOOK_S = 0.1
# What a client asks by NTP: version 4, mode 3.
NTP_REQUEST = bytes([0x23]) + bytes(47)
# In octets.
LONGEST_PICTURE = 200_000
SETTINGS = """
http.address = "127.0.0.1:{http}"
# A machine that is busy with other things is no reason not to be answered.
max_queue_delay = "0s"
sources.wall.kind = "system"
sources.steady.kind = "monotonic-offset"
listeners = [
    {{ protocol = "text", address = "127.0.0.1:0", source = "wall" }},
    {{ protocol = "ntp", address = "127.0.0.1:0", source = "steady" }},
]
"""
TEST_TIME = """
http.address = "127.0.0.1:{http}"
sources.lab = {{ kind = "mock", start = "2036-02-07T06:28:13Z", advance = "manual" }}
listeners = [{{ protocol = "time", address = "127.0.0.1:0", source = "lab" }}]
"""
# The text of what is seen of an element, which need not be in sight.
TEXT = "return document.querySelector(arguments[0])?.textContent ?? ''"


class Server:
    """The real `timeball serve`, on ports that the kernel chose, or on `port`."""

    started = []

    def __init__(self, folder, settings=SETTINGS, port=0):
        self.ports_file = folder / "ports.json"
        self.ports_file.unlink(missing_ok=True)
        file = folder / "settings.toml"
        file.write_text(settings.format(http=port))
        command = [find_binary(), "serve", "--settings", file, "--ports-file", self.ports_file]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TIMEBALL_")}
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.started.append(self)
        self.ports = wait_for("the server", self._ports)
        self.url = self.ports["http"]["url"]
        self.port = int(self.ports["http"]["address"].rpartition(":")[2])

    def _ports(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}")
        text = self.ports_file.read_text() if self.ports_file.exists() else ""
        return json.loads(text) if text.endswith("\n") else None

    def address(self, protocol):
        """Where the first listener of this protocol is."""
        for listener in self.ports["listeners"]:
            if listener["protocol"] == protocol:
                host, _, port = listener["address"].rpartition(":")
                return host, int(port)
        raise AssertionError(f"no listener speaks {protocol}")

    def status(self):
        with urllib.request.urlopen(f"{self.url}/status", timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)


def wait_for(what, look):
    """What `look` returns once that is true."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        seen = look()
        if seen:
            return seen
        time.sleep(LOOK_S)
    raise AssertionError(f"{what} does not come within {PATIENCE_S} s")


def client_of(server, source):
    """A socket at a port that the server has nowhere: it would suspect a loop."""
    ports = {int(it["address"].rpartition(":")[2]) for it in server.ports["listeners"]}
    while True:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.bind((source, 0))
        if client.getsockname()[1] not in ports:
            return client
        client.close()


def ask(server, protocol, count, source="127.0.0.1"):
    """Asks so many times, one at a time, and returns how many answers came."""
    answers = 0
    request = {"text": b"Send time", "ntp": NTP_REQUEST}[protocol]
    with client_of(server, source) as client:
        client.settimeout(PATIENCE_S)
        client.connect(server.address(protocol))
        for _ in range(count):
            client.send(request)
            answers += len(client.recv(1024)) > 0
    return answers


@contextmanager
def browser(folder):
    """Chromium without a window, which speaks to nobody of its own accord."""
    options = Options()
    options.binary_location = shutil.which("chromium") or "/usr/bin/chromium"
    for flag in [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage",
        "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}",
    ]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = Service(shutil.which("chromedriver") or "/usr/bin/chromedriver")
    driver = webdriver.Chrome(service=service, options=options)
    driver.set_page_load_timeout(PATIENCE_S)
    # Forgets what Chromium's own first page has logged.
    driver.get("about:blank")
    for kind in ("performance", "browser"):
        driver.get_log(kind)
    try:
        yield driver
    finally:
        driver.quit()


class Page:
    """The status page as the browser has it."""

    def __init__(self, driver):
        self.driver = driver
        self.requests = []
        self.errors = []

    def open(self, url):
        self.driver.get(url)
        self.wait_for_text("#connection", "connected")

    def text(self, selector):
        return self.driver.execute_script(TEXT, selector)

    def wait_for_text(self, selector, text):
        wait_for(f"{text!r} in {selector}", lambda: text in self.text(selector))

    def number(self, table, row, column):
        """The number in a table, by the beginning of its row; None if there is no row."""
        cells = self.driver.execute_script(
            """const rows = [...document.querySelectorAll(`${arguments[0]} tbody tr`)];
            const row = rows.find((row) => row.cells[0].textContent.startsWith(arguments[1]));
            return row ? [...row.cells].map((cell) => cell.textContent) : null""",
            table, row,
        )
        return float(cells[column].replace(",", "").replace("–", "nan")) if cells else None

    def size(self, width, height=900):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        })

    def media(self, **features):
        features = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def picture(self):
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True}
        )
        return base64.b64decode(shot["data"])

    def take_logs(self):
        """Notes what the browser has logged since the last time."""
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])
        self.errors += [
            entry for entry in self.driver.get_log("browser") if entry["level"] != "INFO"
        ]


# ---- The tests, in this order, on one page


def counts_rise_under_load(page, server):
    assert page.text("#no-outcomes") == "No datagram yet."
    assert ask(server, "text", 300) == 300
    assert ask(server, "ntp", 200) == 200
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for _ in range(7):
            client.sendto(b"short", server.address("ntp"))
    wait_for("500 replies", lambda: page.number("#outcomes", "replied", 2) == 500)
    wait_for("7 drops", lambda: page.number("#outcomes", "dropped: too short", 2) == 7)
    assert page.number("#listeners", "text", 3) == 7 + 300 - 7
    assert page.number("#listeners", "ntp", 5) == 7
    wait_for("requests a second", lambda: page.number("#rates", "text", 3) > 0)
    assert page.driver.execute_script("return document.querySelectorAll('#chart path').length") == 2
    rows = page.driver.execute_script(
        "return [...document.querySelectorAll('#latency tbody tr')]"
        ".map((row) => row.cells[2].textContent)"
    )
    assert sum(int(count.replace(",", "")) for count in rows) == 500, rows
    ask(server, "text", 100)
    wait_for("600 replies", lambda: page.number("#outcomes", "replied", 2) == 600)
    status = server.status()
    assert sum(listener["replied"] for listener in status["listeners"]) == 600


def who_asks_most_is_named(page, server):
    # They are found by sampling: whoever asks on and on is among them some time.
    wait_for("the client", lambda: ask(server, "ntp", 100, "127.0.0.9") and page.number(
        "#clients", "127.0.0.9", 2))
    assert page.text("#no-clients") and not page.driver.find_element("id", "no-clients").is_displayed()
    named = {client["client"].partition("/")[0] for client in server.status()["top_clients"]}
    assert "127.0.0.9" in named <= {"127.0.0.1", "127.0.0.9"}, named


def clocks_tick_and_agree_with_the_browser(page, _server):
    names = [source.text for source in page.driver.find_elements("css selector", ".clock h3")]
    assert names == ["steady", "wall"], names
    # Both clocks are of this host.
    wait_for("a comparison", lambda: page.text(".clock .difference"))
    assert "± " in page.text(".clock .difference"), page.text(".clock .difference")
    hand = page.text(".clock .hand")
    assert len(hand) == len("12:34:56"), hand
    wait_for("the next second", lambda: page.text(".clock .hand") != hand)
    fraction = page.text(".clock .fraction")
    wait_for("the next tenth", lambda: page.text(".clock .fraction") != fraction)
    page.media(prefers_reduced_motion="reduce")
    wait_for("no tenths for who wants no motion", lambda: page.text(".clock .fraction") == "")
    page.media()


def nothing_scrolls_sideways_on_a_phone(page, _server):
    for width in (320, 375, 768, 1280):
        page.size(width)
        seen = page.driver.execute_script(
            "return [document.documentElement.scrollWidth, window.innerWidth]"
        )
        assert seen[0] <= width == seen[1], f"{width}: {seen}"


def dark_differs_from_light_and_both_can_be_read(page, _server):
    page.size(1180)
    grounds = {}
    for scheme in ("light", "dark"):
        page.media(prefers_color_scheme=scheme)
        grounds[scheme] = page.driver.execute_script(
            "return getComputedStyle(document.body).backgroundColor"
        )
        for selector, ratio in page.driver.execute_script(CONTRASTS):
            assert ratio >= 4.5, f"{scheme}: {selector} has a contrast of {ratio:.2f}"
    assert grounds["light"] != grounds["dark"], grounds
    page.media()


# The contrast of every element that has text of its own, by WCAG 2.1.
CONTRASTS = """
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const ground = (element) => {
  for (let it = element; it; it = it.parentElement) {
    const colour = parts(getComputedStyle(it).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const hasText = (it) => [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
return [...document.body.querySelectorAll("*")]
  .filter((it) => hasText(it) && it.getClientRects().length && !["SCRIPT", "STYLE", "NOSCRIPT"].includes(it.tagName))
  .map((it) => {
    const style = getComputedStyle(it);
    const text = it instanceof SVGElement ? style.fill : style.color;
    const [one, other] = [luminance(parts(text)), luminance(ground(it))];
    return [`${it.tagName} ${it.className} ${it.textContent.slice(0, 20)}`,
      (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
  });
"""


def it_can_be_read_aloud(page, _server):
    """Headings in order, a name for each table and region, few live regions."""
    seen = page.driver.execute_script("""return {
      language: document.documentElement.lang,
      headings: [...document.querySelectorAll("h1, h2, h3")].map((it) => Number(it.tagName[1])),
      captions: [...document.querySelectorAll("table")].every((it) => it.caption?.textContent),
      heads: [...document.querySelectorAll("th")].every((it) => it.scope),
      regions: [...document.querySelectorAll("section")].every((it) =>
        document.getElementById(it.getAttribute("aria-labelledby"))?.textContent),
      live: document.querySelectorAll("[aria-live], [role=status], [role=alert]").length,
      chart: document.getElementById("chart").getAttribute("aria-label"),
    }""")
    headings = seen["headings"]
    assert headings[0] == 1 and headings.count(1) == 1, headings
    assert all(after <= before + 1 for before, after in zip(headings, headings[1:])), headings
    assert seen["language"] == "en" and seen["captions"] and seen["heads"], seen
    assert seen["regions"] and seen["chart"] and seen["live"] <= 2, seen


def nothing_was_asked_of_anybody_else_and_nothing_failed(page, server):
    page.take_logs()
    assert page.errors == [], page.errors
    here = [url for url in page.requests if url.startswith((f"{server.url}/", "data:"))]
    assert here == page.requests, set(page.requests) - set(here)
    paths = {url.removeprefix(server.url) for url in here}
    assert {"/", "/events", "/status"} <= paths, paths


def a_lost_connection_shows_and_recovers(page, server, folder):
    server.stop()
    page.wait_for_text("#connection", "connection lost, trying again")
    assert page.driver.title.startswith("connection lost"), page.driver.title
    again = Server(folder, port=server.port)
    page.wait_for_text("#connection", "connected")
    assert page.driver.title == "timeball", page.driver.title
    # It counts anew.
    assert page.text("#no-outcomes") == "No datagram yet."
    ask(again, "text", 5)
    wait_for("5 replies", lambda: page.number("#outcomes", "replied", 2) == 5)
    return again


def test_time_has_a_banner(page, folder):
    server = Server(folder, TEST_TIME)
    try:
        page.open(server.url)
        page.wait_for_text("#test-which", "made up: lab.")
        assert page.driver.find_element("id", "test-mode").is_displayed()
        # A clock that is moved by hand stands still between two words of the server.
        wait_for("the clock", lambda: page.text(".clock .hand") == "06:28:13")
        assert "ahead of this browser" in page.text(".clock .difference")
    finally:
        server.stop()


def screenshot(page, server, file):
    """The page after two minutes of a load that comes and goes."""
    page.size(1120)
    page.media(prefers_color_scheme="light")
    print("two minutes of load for the picture", flush=True)
    for second in range(124):
        began = time.monotonic()
        for number in range(1, 6):
            wave = 1 + 0.3 * math.sin(second / (5 + 2 * number))
            for protocol, most in (("text", 22), ("ntp", 95)):
                ask(server, protocol, int(most / number * wave), f"127.0.0.{number}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"Send tome", server.address("text"))
        time.sleep(max(0, 1 - (time.monotonic() - began)))
    picture = page.picture()
    assert len(picture) < LONGEST_PICTURE, f"the picture has {len(picture)} octets"
    file.write_bytes(picture)
    print(f"{file}: {file.stat().st_size} octets")


def main():
    parser = argparse.ArgumentParser(
        prog="tests/page", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--screenshot", type=Path, metavar="FILE", help="write a picture of the page as well"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="timeball-page-") as name:
        folder = Path(name)
        server = Server(folder)
        try:
            with browser(folder) as driver:
                page = Page(driver)
                page.open(server.url)
                for test in (
                    counts_rise_under_load,
                    who_asks_most_is_named,
                    clocks_tick_and_agree_with_the_browser,
                    nothing_scrolls_sideways_on_a_phone,
                    dark_differs_from_light_and_both_can_be_read,
                    it_can_be_read_aloud,
                    nothing_was_asked_of_anybody_else_and_nothing_failed,
                ):
                    test(page, server)
                    print(f"ok: {test.__name__}", flush=True)
                if args.screenshot:
                    screenshot(page, server, args.screenshot)
                server = a_lost_connection_shows_and_recovers(page, server, folder)
                print("ok: a_lost_connection_shows_and_recovers", flush=True)
                test_time_has_a_banner(page, folder)
                print("ok: test_time_has_a_banner", flush=True)
        finally:
            for server in Server.started:
                server.process.kill()
                server.process.wait()


if __name__ == "__main__":
    main()
