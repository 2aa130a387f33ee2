"""What is wrong with the broker, said once: several connections meet the same trouble, again and again."""

from __future__ import annotations

__all__ = ["Complaints"]


class Complaints:
    """Remembers who has complained of what. All connections to one broker share it."""

    def __init__(self) -> None:
        self._of: dict[str, set[str]] = {}

    def is_new(self, trouble: str, purpose: str) -> bool:
        """Note that the connection for ``purpose`` has this trouble; whether it is the first to complain."""
        new = trouble not in self._of
        self._of.setdefault(trouble, set()).add(purpose)
        return new

    def settled(self, purpose: str) -> None:
        """The connection for ``purpose`` works: what troubles nobody else is news when it comes back."""
        for trouble, complaining in list(self._of.items()):
            complaining.discard(purpose)
            if not complaining:
                del self._of[trouble]
