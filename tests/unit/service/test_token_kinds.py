"""Every kind of token on every route, through the whole daemon: what each opens, and what it does not."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import jwt
import pytest

from tests.support.line import Line
from tests.support.public import client_frame
from tests.unit.service.tree import UPGRADE, Instance, started

SECRET = "correct horse battery staple, twice over"

KINDS: dict[str, dict[str, object]] = {
    "listing the channel": {"channels": ["news"]},
    "listing another channel": {"channels": ["sports"]},
    "listing no channel": {"channels": []},
    "without rights": {},
    "null for channels": {"channels": None},
    "text for channels": {"channels": "news"},
    "a number for channels": {"channels": 7},
    "nested channels": {"channels": [["news"]]},
    "an object for channels": {"channels": {"news": True}},
    "of a subscription": {"channel": "news"},
    "of another subscription": {"channel": "sports"},
    "of a nameless subscription": {"channel": ""},
    "null for channel": {"channel": None},
    "a list for channel": {"channel": ["news"]},
    "of both kinds": {"channel": "news", "channels": ["news"]},
}
"""The claims besides ``sub`` and ``exp``."""

CONNECTS = {
    "listing the channel",
    "listing another channel",
    "listing no channel",
    "without rights",
}
"""Kinds that open a connection."""

GRANTS = {
    "none": {"listing the channel"},
    "all": {"listing the channel", "without rights"},
}
"""Kinds that open ``news`` with a connection, by ``default_rights``."""


def sign(claims: dict[str, object], user: str = "7") -> str:
    """Make a token of a user."""
    return jwt.encode({"sub": user, "exp": time.time() + 600, **claims}, SECRET)


GOOD = sign({"channels": ["news"]})


def tokens(instances: list[Instance], rights: str) -> Instance:
    """Start an instance that asks for tokens."""
    asked = {"AUTH_MODE": "jwt", "AUTH_JWT_SECRET": SECRET, "AUTH_DEFAULT_RIGHTS": rights}
    return started(instances, CENTRIFUGO_PUBLISH="yes", **asked)


class Client:
    """A client of a WebSocket route that speaks JSON.

    Args:
        line: Its connection.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        assert line.hear_all().startswith(b"HTTP/1.1 101 ")

    def ask(self, *commands: dict[str, Any]) -> list[Any]:
        """Send commands in one frame; give the objects that came, and the code of a close frame."""
        text = "\n".join(json.dumps(command) for command in commands)
        self._line.say(client_frame(1, text.encode()))
        return list(_frames(self._line.hear_all()))


def _frames(data: bytes) -> Any:
    while data:
        size, start = (data[1], 2) if data[1] < 126 else (int.from_bytes(data[2:4], "big"), 4)
        payload, data, opcode = data[start : start + size], data[start + size :], data[0] & 15
        if opcode == 8:
            yield int.from_bytes(payload[:2], "big")
        else:
            yield from map(json.loads, payload.split(b"\n"))


def connected(instance: Instance, token: str = GOOD) -> tuple[Client, list[Any]]:
    """Connect bidirectionally; give the client and what it heard."""
    client = Client(instance.ask("/connection/websocket", UPGRADE))
    return client, client.ask({"id": 1, "connect": {"token": token}})


every_kind = pytest.mark.parametrize("kind", KINDS)
every_default = pytest.mark.parametrize("rights", ["none", "all"])


@every_kind
@every_default
@pytest.mark.parametrize(
    "request_of",
    [
        ("/websocket/news?token={token}", UPGRADE, 101),
        ("/websocket/news", UPGRADE + "Authorization: Bearer {token}\r\n", 101),
        ("/events?channel=news&token={token}", "", 200),
        ("/events?channel=news", "Authorization: Bearer {token}\r\n", 200),
        ("/connection/uni_websocket?cf_connect={request}", UPGRADE, 101),
        ("/connection/uni_sse?cf_connect={request}", "", 200),
    ],
)
def test_routes_whose_request_names_the_channel(
    instances: list[Instance], kind: str, rights: str, request_of: tuple[str, str, int]
) -> None:
    """A token of another kind is answered 401, and a connection's token without the right 403."""
    token, (target, headers, success) = sign(KINDS[kind]), request_of
    request = quote(json.dumps({"token": token, "subs": {"news": {}}}))
    instance = tokens(instances, rights)
    expected = 401 if kind not in CONNECTS else success if kind in GRANTS[rights] else 403
    where = target.format(token=token, request=request)
    assert expected == instance.status(where, headers.format(token=token))


@every_kind
@every_default
def test_a_unidirectional_connect_in_a_frame(instances: list[Instance], kind: str, rights: str) -> None:
    """The close code says the same."""
    client = Client(tokens(instances, rights).ask("/connection/uni_websocket", UPGRADE))
    heard = client.ask({"token": sign(KINDS[kind]), "subs": {"news": {}}})
    if kind in GRANTS[rights]:
        assert {"broadcast", "news"} == set(heard[0]["connect"]["subs"])
    else:
        assert [3507 if kind in CONNECTS else 3500] == heard


@every_kind
@every_default
def test_a_connect_and_a_subscribe(instances: list[Instance], kind: str, rights: str) -> None:
    """A connection's token opens the connection, and a channel only as it or the configuration grants."""
    client, heard = connected(tokens(instances, rights), sign(KINDS[kind]))
    if kind not in CONNECTS:
        assert [3500] == heard
        return
    assert "connect" in heard[0]
    [answer] = client.ask({"id": 2, "subscribe": {"channel": "news"}})
    assert (kind in GRANTS[rights]) == ("subscribe" in answer)
    assert "subscribe" in answer or 103 == answer["error"]["code"]


@every_kind
@every_default
def test_a_subscribe_with_a_token(instances: list[Instance], kind: str, rights: str) -> None:
    """Only a subscription's token opens a subscription, whatever the connection may use by itself."""
    client, _ = connected(tokens(instances, rights), sign({"channels": []}))
    [answer] = client.ask({"id": 2, "subscribe": {"channel": "news", "token": sign(KINDS[kind])}})
    assert (kind == "of a subscription") == ("subscribe" in answer)
    assert "subscribe" in answer or 103 == answer["error"]["code"]


@every_kind
@every_default
def test_a_refresh(instances: list[Instance], kind: str, rights: str) -> None:
    """A token of another kind ends the connection; a token that grants less ends the subscription."""
    client, _ = connected(tokens(instances, rights))
    client.ask({"id": 2, "subscribe": {"channel": "news"}})
    heard = client.ask({"id": 3, "refresh": {"token": sign(KINDS[kind])}})
    if kind not in CONNECTS:
        assert [3500] == heard
        return
    kept = kind in GRANTS[rights]
    ended = {"channel": "news", "unsubscribe": {"code": 2000, "reason": "permission denied"}}
    assert [{"push": ended}] * (not kept) == heard[:-1]
    assert "refresh" in heard[-1]
    fields = {"history": {}, "presence": {}, "presence_stats": {}, "publish": {"data": 1}}
    commands = [
        {"id": number, name: {"channel": "news", **more}}
        for number, (name, more) in enumerate(fields.items(), start=4)
    ]
    refused = [answer["id"] for answer in client.ask(*commands) if "error" in answer]
    assert ([] if kept else [4, 5, 6, 7]) == refused


@every_kind
@every_default
def test_a_sub_refresh(instances: list[Instance], kind: str, rights: str) -> None:
    """Only a token for this channel refreshes it; another one is refused, and the subscription stays."""
    client, _ = connected(tokens(instances, rights), sign({"channels": []}))
    own = sign({"channel": "news"})
    client.ask({"id": 2, "subscribe": {"channel": "news", "token": own}})
    refresh = {"channel": "news", "token": sign(KINDS[kind])}
    answer, history = client.ask({"id": 3, "sub_refresh": refresh}, {"id": 4, "history": {"channel": "news"}})
    assert (kind == "of a subscription") == ("sub_refresh" in answer)
    assert "sub_refresh" in answer or 103 == answer["error"]["code"]
    assert "history" in history


@every_default
def test_a_token_of_another_user(instances: list[Instance], rights: str) -> None:
    """Refreshes neither the connection nor a subscription."""
    client, _ = connected(tokens(instances, rights))
    other = sign({"channel": "news"}, "8")
    [answer] = client.ask({"id": 2, "subscribe": {"channel": "news", "token": other}})
    assert 103 == answer["error"]["code"]
    assert [3500] == client.ask({"id": 3, "refresh": {"token": sign({"channels": ["news"]}, "8")}})


def test_rights_by_default_are_none(instances: list[Instance]) -> None:
    """Unless the configuration grants more."""
    instance = started(instances, AUTH_MODE="jwt", AUTH_JWT_SECRET=SECRET)
    assert [403, 200] == [instance.status(f"/events?{ask}token={sign({})}") for ask in ("channel=news&", "")]
