"""The example of the README runs as it is printed, and fails as it says."""

from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def run(pytester, text):
    pytester.makepyfile(test_client=text)
    return pytester.runpytest("-p", "timeball.pytest_plugin")


def test_the_example_passes(pytester):
    (example,) = blocks("python")
    run(pytester, example).assert_outcomes(passed=2)


def test_a_bad_client_fails_as_it_is_printed(pytester):
    (example,) = blocks("python")
    (printed,) = blocks("text")
    loop = '    while ask(run.address)[12:16] != b"DENY":\n        pass\n'
    assert loop in example
    (bad_loop,) = re.findall(r"`(for _ in .*)`", README)
    result = run(pytester, example.replace(loop, f"    {bad_loop}\n"))
    result.assert_outcomes(passed=1, failed=1)
    for line in printed.splitlines()[:-1]:
        result.stdout.fnmatch_lines(f"E * {line.strip()}")
