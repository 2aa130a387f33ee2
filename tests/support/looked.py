"""Messages that count how often a test's subject looks at them."""

from __future__ import annotations

from typing import Any

from pushd.message import Message

__all__ = ["Looked"]


class Looked(list[Message]):
    """A list that counts the messages it gives away.

    Attributes:
        looks: The number of them.
    """

    looks = 0

    def __getitem__(self, key: Any) -> Any:
        """Return messages, and count them."""
        found = super().__getitem__(key)
        self.looks += len(found) if isinstance(key, slice) else 1
        return found
