"""How single values are written, right and wrong."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pushd.config import BrokerUrl, types


def _read(kind: Any, text: object) -> Any:
    return TypeAdapter(kind).validate_python(text)


def _refusal(kind: Any, text: str) -> str:
    with pytest.raises(ValidationError) as caught:
        _read(kind, text)
    return str(caught.value.errors()[0]["ctx"]["error"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("25s", 25.0),
        ("1.5m", 90.0),
        ("2 h", 7200.0),
        ("7d", 604800.0),
        ("3650d", 315360000.0),
    ],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    """Every unit counts in seconds, fractions too."""
    assert seconds == _read(types.Duration, text)


@pytest.mark.parametrize(
    "text", ["", "25", "s", "5x", "-5s", "0s", "0", "1e3s", "\u0663s", "3651d", "5s 3s", "nan"]
)
def test_other_durations_are_refused(text: str) -> None:
    """A duration without a unit, of nothing or for ever is none."""
    assert "duration above 0 with its unit" in _refusal(types.Duration, text)


def test_never_is_a_bare_zero() -> None:
    """Where never makes sense it is written 0; other values are durations."""
    assert [0.0, 60.0] == [_read(types.DurationOrNever, text) for text in ("0", "1m")]
    assert "duration" in _refusal(types.DurationOrNever, "0s")


@pytest.mark.parametrize("text", ["999ms", "65536s", "19h", "30"])
def test_heartbeats_are_what_amqp_can_count(text: str) -> None:
    """Whole seconds in 16 bits; 0 would mean none."""
    assert [1.0, 65535.0] == [_read(types.Heartbeat, good) for good in ("1s", "65535s")]
    assert "duration" in _refusal(types.Heartbeat, text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1B", 1), ("64KB", 65536), ("1.5kb", 1536), ("2 MB", 2097152), ("1GB", 2**30), ("1TB", 2**40)],
)
def test_sizes_are_bytes(text: str, size: int) -> None:
    """Units are powers of 1024, in any case."""
    assert size == _read(types.Size, text)


@pytest.mark.parametrize("text", ["", "64", "KB", "64K", "-1KB", "0B", "0.1B", "9999TB"])
def test_other_sizes_are_refused(text: str) -> None:
    """A size without a unit, of nothing or beyond all memory is none."""
    assert "size above 0 with its unit" in _refusal(types.Size, text)


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("yes", True),
        ("TRUE", True),
        ("on", True),
        ("1", True),
        ("no", False),
        ("False", False),
        ("off", False),
    ],
)
def test_switches_have_the_words_of_ini_files(text: str, flag: bool) -> None:
    """What configparser takes for a switch is one."""
    assert flag is _read(types.Flag, text)


def test_other_switches_are_refused() -> None:
    """Anything else is no switch."""
    assert "yes or no" == _refusal(types.Flag, "maybe")


@pytest.mark.parametrize("text", ["1", "5", "10"])
def test_whole_numbers_have_bounds(text: str) -> None:
    """Both bounds are allowed."""
    assert int(text) == _read(Annotated[int, types.whole(1, 10)], text)


@pytest.mark.parametrize("text", ["", "0", "11", "-1", "5.0", "\u0665", "9" * 5000])
def test_other_numbers_are_refused(text: str) -> None:
    """What lies outside, or is no plain number, is refused, however long it is."""
    assert "a whole number from 1 to 10" == _refusal(Annotated[int, types.whole(1, 10)], text)


def test_networks_are_a_list() -> None:
    """Addresses and networks of both families stand side by side; an empty list is one."""
    expected = (ip_network("10.0.0.0/8"), ip_network("::1/128"), ip_network("192.0.2.1/32"))

    assert expected == _read(types.Networks, "10.0.0.0/8, ::1/128,\n192.0.2.1")
    assert () == _read(types.Networks, "")
    assert "networks separated by commas" in _refusal(types.Networks, "10.0.0.1/8")


def test_origins_are_a_list() -> None:
    """They are spelled as browsers do; what no browser sends is corrected."""
    assert ("https://a.example", "https://*.b.example") == _read(
        types.Origins, "https://A.example, https://*.b.example"
    )
    assert ("*",) == _read(types.Origins, "*")
    expected = "* or origins separated by commas: https://a.example, because an origin has no path"
    assert expected == _refusal(types.Origins, "https://b.example, https://a.example/path")
    assert "origins separated by commas: https://a.example" in _refusal(types.Origins, "a.example")


def test_subprotocols_are_a_list() -> None:
    """Of tokens, in their own case; nothing is none."""
    assert ("V2.example", "v1") == _read(types.Subprotocols, "V2.example, v1")
    assert () == _read(types.Subprotocols, "")
    for text in ("a/b", "a;b", "ä", '"a"'):
        assert "names of subprotocols" in _refusal(types.Subprotocols, text)


def test_the_name_of_an_event_is_its_own() -> None:
    """Neither the protocol's nor that of a message, and no more than a word."""
    assert "app:heart-beat.1" == _read(types.EventName, "app:heart-beat.1")
    for text in ("", "message", "open", "error", "position", "reset", "a b", "a\nb", "ä", "x" * 65):
        assert "a name of at most 64 letters" in _refusal(types.EventName, text)


def test_host_names_are_a_list() -> None:
    """Without ports, in lower case; nothing is none."""
    assert ("push1.internal", "push_2") == _read(types.HostNames, "Push1.internal, push_2")
    assert () == _read(types.HostNames, "")
    for text in ("a.example:8191", "http://a.example", "*", "a..example", "[::1]", "a" * 254):
        assert "host names without ports" in _refusal(types.HostNames, text)


def test_broker_urls_are_a_list() -> None:
    """Several nodes are tried in order; the memory broker stands alone."""
    expected = (BrokerUrl("amqp", "a", 5672), BrokerUrl("amqps", "b", 5671))

    assert expected == _read(types.BrokerUrls, "amqp://a, amqps://b")
    assert "memory: alone" in _refusal(types.BrokerUrls, "memory:, amqp://b")
    assert "amqp://user" in _refusal(types.BrokerUrls, "amqp://a,")


@pytest.mark.parametrize(
    "text",
    [
        "tcp:8091",
        "tcp:0:interface=127.0.0.1",
        "tcp:port=65535",
        "tcp6:8091:interface=\\:\\:1",
        "unix:/run/pushd/1/public.sock:mode=660",
        "systemd:domain=INET:name=public",
    ],
)
def test_endpoints_are_twisteds(text: str) -> None:
    """Twisted's endpoint strings are taken as they are."""
    assert text == _read(types.Endpoint, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "an endpoint such as"),
        ("8091", "an endpoint such as"),
        ("udp:8091", "an endpoint such as"),
        ("tcp:", "an endpoint such as"),
        ("tcp:65536", "a port of 0 to 65535"),
        ("tcp:port=80910", "a port of 0 to 65535"),
        ("tcp:-1", "a port number"),
        ("tcp:http", "a port number"),
        ("tcp:8091:inter=x", "a complete tcp endpoint"),
        ("unix:a:mode=999", "a complete unix endpoint"),
        ("ssl:443:privateKey=/nowhere.pem", "a complete ssl endpoint"),
    ],
)
def test_other_endpoints_are_refused(text: str, expected: str) -> None:
    """Unknown kinds, ports beyond the last one and unreadable keys are found before the start."""
    assert expected in _refusal(types.Endpoint, text)


@pytest.mark.parametrize("text", ["/", "/websocket/", "/a/b-c.d_e~/"])
def test_paths_begin_and_end_with_a_slash(text: str) -> None:
    """A path is a prefix for what follows."""
    assert text == _read(types.HttpPath, text)


@pytest.mark.parametrize("text", ["", "websocket/", "/websocket", "//", "/a b/", "/a?/", "/ü/"])
def test_other_paths_are_refused(text: str) -> None:
    """What is no such prefix, or would have to be encoded, is refused."""
    assert "begins and ends with a slash" in _refusal(types.HttpPath, text)


def test_files_are_pem(tmp_path: Path) -> None:
    """A file may be left out, but neither be missing nor be something else."""
    pem, other = tmp_path / "ca.pem", tmp_path / "ca.der"
    pem.write_text("the authority:\n-----BEGIN CERTIFICATE-----\n")
    other.write_bytes(b"0\x82")

    assert [str(pem), ""] == [_read(types.PemFile, text) for text in (str(pem), "")]
    assert "a PEM file" in _refusal(types.PemFile, str(other))
    assert "can be read, or nothing (Is a directory)" in _refusal(types.PemFile, str(tmp_path))


@pytest.mark.parametrize("text", ["1", "8092", "blue-2.b_c"])
def test_instances_have_plain_names(text: str) -> None:
    """Names fit into a path, a port and a piece of JSON."""
    assert text == _read(types.InstanceName, text)


@pytest.mark.parametrize("text", ["", "a b", 'a"b', "../x", "ü", "x" * 65, "1\n"])
def test_other_instances_are_refused(text: str) -> None:
    """What would have to be escaped somewhere is no name."""
    assert "a name or number" in _refusal(types.InstanceName, text)


def test_names_are_as_long_as_amqp_allows() -> None:
    """255 bytes, not characters."""
    assert "x" * 255 == _read(types.Name, "x" * 255)
    assert ["a name of 1 to 255 bytes"] * 3 == [
        _refusal(types.Name, text) for text in ("", "测" * 86, "a\x00")
    ]


def test_ready_values_pass() -> None:
    """A section made in code gets what the code has at hand."""
    assert [1.5, 64, True] == [
        _read(kind, value) for kind, value in ((types.Duration, 1.5), (types.Size, 64), (types.Flag, True))
    ]
