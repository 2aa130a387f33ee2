"""pushd.broker.amqp.mismatch, on the texts of RabbitMQ 3.10."""

from __future__ import annotations

import pytest

from pushd.broker.amqp.mismatch import Mismatch, advice, parse, seconds


def refusal(name: str, values: str, what: str = "queue") -> str:
    """Make the text of a refusal."""
    return f"PRECONDITION_FAILED - inequivalent arg '{name}' for {what} 'x' in vhost '/': {values}"


def read(name: str, values: str, what: str = "queue") -> Mismatch:
    """Read what must be a difference."""
    found = parse(refusal(name, values, what))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("values", "ours", "theirs", "like", "value"),
    [
        ("received '1000' but current is '2000'", "1000", "2000", 1000, 2000),
        ("received '3600s' but current is '1h'", "3600s", "1h", "3600s", "1h"),
        ("received the value '1' of type 'signedint' but current is none", "1", None, 1, None),
        ("received none but current is the value '3' of type 'long'", None, "3", None, 3),
        ("received none but current is the value 'a b' of type 'longstr'", None, "a b", None, "a b"),
        ("received none but current is the value 'true' of type 'bool'", None, "true", None, True),
        (
            "received the value '5' of type 'signedint' but current is the value '5' of type 'longstr'",
            "5",
            "5",
            5,
            "5",
        ),
    ],
)
def test_both_values(values: str, ours: str | None, theirs: str | None, like: object, value: object) -> None:
    """Either side is read, and the existing one in the type it has."""
    found = read("x-max-age", values)
    assert ("x-max-age", "queue", True) == (found.name, found.what, found.readable)
    assert (ours, theirs) == (found.ours, found.theirs)
    assert (value, type(value)) == (found.value(like), type(found.value(like)))


def test_a_name_that_reads_like_the_text() -> None:
    """The values are the last ones, whatever the queue is called."""
    text = refusal("x-max-age", "received 'a' but current is 'b'").replace(
        "'x'", "': received 1 but current is 2'"
    )
    found = parse(text)
    assert found is not None
    assert ("a", "b") == (found.ours, found.theirs)


@pytest.mark.parametrize(
    "values",
    ["", "rec", "received '1' but curr", "received '1' but current is 'ab...", "received 1 but current is 2"],
)
def test_a_text_that_was_cut(values: str) -> None:
    """RabbitMQ has room for 255 bytes: the name of the argument is still there."""
    found = read("x-max-age", values)
    assert ("x-max-age", False, None) == (found.name, found.readable, found.theirs)
    assert "the two differ" in advice(found)


@pytest.mark.parametrize(
    "text", ["", "NOT_FOUND - no queue 'q'", "PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'q'"]
)
def test_another_refusal(text: str) -> None:
    """It is no difference."""
    assert parse(text) is None


@pytest.mark.parametrize(("kind", "text"), [("float", "1.0"), ("table", "[]"), ("signedint", "x")])
def test_a_value_of_another_type(kind: str, text: str) -> None:
    """It cannot be declared again."""
    with pytest.raises(ValueError, match=r".*"):
        Mismatch("x", "queue", readable=True, theirs=text, kind=kind).value(None)


@pytest.mark.parametrize(
    ("name", "what", "expected"),
    [
        ("type", "exchange", "pushd needs a fanout exchange"),
        ("durable", "exchange", "durable: the exchange has false, pushd declares true; delete the exchange"),
        ("internal", "exchange", "internal: the exchange has false, pushd declares true"),
        ("x-custom", "exchange", "without this argument, and set it by a policy"),
        ("x-max-age", "queue", "other arguments, x-max-age: the queue has false, pushd declares true"),
    ],
)
def test_advice(name: str, what: str, expected: str) -> None:
    """It says which side has what."""
    assert expected in advice(read(name, "received 'true' but current is 'false'", what))


@pytest.mark.parametrize(
    ("age", "expected"), [("1h", 3600), ("3600s", 3600), ("2D", 172800), ("1", None), ("h", None), (5, None)]
)
def test_ages(age: object, expected: int | None) -> None:
    """The same age may be written in several ways."""
    assert expected == seconds(age)
