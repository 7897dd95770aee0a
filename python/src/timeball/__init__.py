"""Tests of what reads network time, against time that misbehaves on purpose.

``Run`` plays a scenario with the ``timeball`` program; ``timeball.pytest_plugin``
has the fixture for pytest. The README shows a test of each kind.
"""

from .control import (
    ClockStatus,
    Control,
    ControlError,
    FaultStatus,
    Finding,
    ListenerStatus,
    ScenarioStatus,
    Status,
    Verdict,
)
from .run import Endpoint, Record, Run, RunError, find_binary

__all__ = [
    "ClockStatus",
    "Control",
    "ControlError",
    "Endpoint",
    "FaultStatus",
    "Finding",
    "ListenerStatus",
    "Record",
    "Run",
    "RunError",
    "ScenarioStatus",
    "Status",
    "Verdict",
    "find_binary",
]
