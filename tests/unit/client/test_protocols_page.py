"""docs/protocols.md lists what the code says, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

from pushd import disconnect
from pushd.client.centrifugo import errors
from pushd.client.extensions import agree

PAGE = (Path(__file__).parents[3] / "docs" / "protocols.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Give the rows of the first table under a heading."""
    table = PAGE.split(heading, 1)[1].split("|---", 1)[1].split("\n", 1)[1]
    lines = re.match(r"(\|.*\n)*", table)
    assert lines
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()]


def test_every_reason_for_closing_is_listed() -> None:
    """With its codes, its text and whether to come back."""
    reasons = [value for value in vars(disconnect).values() if isinstance(value, disconnect.Disconnect)]
    expected = [
        [
            reason.name,
            str(reason.code),
            str(reason.centrifugo),
            reason.text,
            "yes" if reason.reconnect else "no",
        ]
        for reason in reasons
    ]
    assert sorted(expected) == sorted(rows("## Why a connection ends"))


def test_every_error_is_listed() -> None:
    """With its code, its message and whether it is temporary."""
    expected = [
        [str(error.code), f"{error.message} (temporary)" if error.temporary else error.message]
        for error in vars(errors).values()
        if isinstance(error, errors.Error)
    ]
    assert sorted(expected) == [row[:2] for row in rows("### Errors")]


def test_the_agreement_to_deflate_is_shown_as_it_is() -> None:
    """An offer, and what is answered."""
    name = "Sec-WebSocket-Extensions: "
    offer, answer = re.findall(f"^{name}(.*)$", PAGE, re.MULTILINE)
    assert answer == agree(offer)
