from __future__ import annotations

from pushd.client.centrifugo.errors import PERMISSION_DENIED, RefusedError


def test_a_refusal_carries_its_error() -> None:
    """What answers the command travels with the exception."""
    refusal = RefusedError(PERMISSION_DENIED)
    assert (PERMISSION_DENIED, "permission denied") == (refusal.error, str(refusal))
