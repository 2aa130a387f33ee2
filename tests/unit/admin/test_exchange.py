"""Requests and answers as values."""

from __future__ import annotations

from pushd.admin.exchange import Answer, answer_json, refuse


def test_json() -> None:
    """Compact, pure ASCII, with its content type and whatever header is asked for."""
    assert Answer(
        200, b'{"a":["\\u00e9\\u2028"]}\n', {"Content-Type": "application/json", "Retry-After": "1"}
    ) == answer_json(200, {"a": ["é\u2028"]}, retry_after="1")


def test_refuse() -> None:
    """An error has one shape, whether it is about a field or not."""
    assert b'{"error":{"field":null,"message":"no"}}\n' == refuse(404, "no").body
    assert b'{"error":{"field":"data","message":"no"}}\n' == refuse(422, "no", "data").body
