from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.unit.service.tree import Instance


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Leave the garbage collector as it was: a start tunes it for the whole process."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.fixture
def instances() -> Iterator[list[Instance]]:
    """Let go of what the instances of a test hold."""
    made: list[Instance] = []
    yield made
    for instance in made:
        instance.close()
