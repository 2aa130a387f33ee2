"""What is measured: one module per subject, listed here in the order of the report."""

from __future__ import annotations

from collections.abc import Mapping

from bench.scenario import Scenario
from bench.scenarios import broker, comparison, crowd, deflate, herd, resume, saturation, slow

__all__ = ["SCENARIOS"]

_MODULES = (comparison, saturation, deflate, broker, slow, herd, resume, crowd)

SCENARIOS: Mapping[str, Scenario] = {module.SCENARIO.name: module.SCENARIO for module in _MODULES}
"""Every scenario by name."""
