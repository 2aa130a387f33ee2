"""What is measured: one module per subject, listed here in the order of the report."""

from __future__ import annotations

from collections.abc import Mapping

from bench.scenario import Scenario
from bench.scenarios import comparison

__all__ = ["SCENARIOS"]

SCENARIOS: Mapping[str, Scenario] = {module.SCENARIO.name: module.SCENARIO for module in (comparison,)}
"""Every scenario by name."""
