"""The admin port as a whole: which page stands where."""

from __future__ import annotations

import pytest

from pushd.message import Publication
from tests.unit.admin.port import STATUS, Port


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/live", "application/json"),
        ("/ready", "application/json"),
        ("/api/status", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_pages(path: str, kind: str) -> None:
    """Each page answers in its kind."""
    response = Port().get(path)
    assert (200, kind) == (response.status, response.headers["content-type"])


def test_readiness_and_status() -> None:
    """The reasons and the snapshot are those that were given."""
    port = Port()
    port.reasons.append("draining")
    assert (503, {"ready": False, "reasons": ["draining"]}) == (
        port.get("/ready").status,
        port.get("/ready").json,
    )
    assert STATUS.as_json() == port.get("/api/status").json


def test_a_name_that_was_configured() -> None:
    """The further names reach the site."""
    assert 200 == Port().get("/live", host="push.example").status


@pytest.mark.parametrize(
    ("path", "body", "publication"),
    [
        ("/api/publish", b'{"channel":"x","data":"d"}', Publication(b"d", ("x",))),
        ("/api/broadcast", b'{"data":"d"}', Publication(b"d")),
    ],
)
def test_publishing(path: str, body: bytes, publication: Publication) -> None:
    """Nothing is said before the broker's confirm."""
    port = Port()
    conversation = port.post(path, body)
    assert ([publication], b"") == (port.published, conversation.wire.value())
    port.confirms[0].callback(None)
    assert {"published": True} == conversation.hear().json


def test_room_for_escapes() -> None:
    """A message of the full size fits, even with every character escaped in the request."""
    port = Port()
    port.post("/api/broadcast", b'{"data":"' + b"\\u9891" * 33 + b'"}')
    assert ["频" * 33] == [each.body.decode() for each in port.published]


def test_a_request_too_big() -> None:
    """The request as a whole is bounded too."""
    assert 413 == Port().post("/api/broadcast", b" " * (2 * 100 + 65537)).hear().status
