"""Trouble is said once."""

from __future__ import annotations

from pushd.broker.amqp.complaints import Complaints


def test_once_for_all() -> None:
    """Whoever meets it first says it, and nobody says it again; another trouble is news."""
    complaints = Complaints()
    met = [
        ("refused", "consuming"),
        ("refused", "publishing"),
        ("refused", "consuming"),
        ("gone", "consuming"),
    ]
    assert [True, False, False, True] == [complaints.is_new(*each) for each in met]


def test_again_after_it_worked() -> None:
    """What was settled for all who met it is news when it comes back."""
    complaints = Complaints()
    for purpose in ("consuming", "publishing"):
        complaints.is_new("refused", purpose)
    complaints.settled("consuming")
    assert not complaints.is_new("refused", "consuming")
    complaints.settled("consuming")
    complaints.settled("publishing")
    assert complaints.is_new("refused", "consuming")
