"""The fixture ``timeball_run`` for pytest."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Callable, Iterator, Union

import pytest

from .run import Run


@pytest.fixture
def timeball_run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Plays scenarios: ``run = timeball_run("kod-rate")``.

    Takes what ``Run`` takes. With ``assert_verdict=True`` the test does not pass
    unless the run's verdict does, looked at when the test is over. Every run ends
    with the test; what it wrote stays in a folder of its own under ``tmp_path``.
    """
    with contextlib.ExitStack() as ends:
        count = 0

        def play(
            scenario: Union[str, os.PathLike[str]],
            *,
            assert_verdict: bool = False,
            **options: Any,
        ) -> Run:
            nonlocal count
            count += 1
            options.setdefault("directory", tmp_path / f"timeball-{count}")
            run = ends.enter_context(Run(scenario, **options))
            if assert_verdict:
                ends.callback(run.assert_verdict)
            return run

        yield play
