from __future__ import annotations

from pushd.client.centrifugo import replies
from pushd.client.centrifugo.errors import PERMISSION_DENIED, TOO_MANY_REQUESTS
from pushd.disconnect import SHUTDOWN
from pushd.message import Kind, Message, Position


def test_a_reply_carries_number_and_method() -> None:
    """An answer stands under its command's number and method."""
    assert b'{"id":7,"unsubscribe":{}}' == replies.reply(7, "unsubscribe", {})


def test_an_error_says_whether_to_try_again() -> None:
    """Only a temporary error is marked."""
    assert b'{"id":7,"error":{"code":103,"message":"permission denied"}}' == replies.error(
        7, PERMISSION_DENIED
    )
    assert (b'{"id":7,"error":{"code":111,"message":"too many requests","temporary":true}}') == replies.error(
        7, TOO_MANY_REQUESTS
    )


def test_a_push_has_a_wrapped_and_a_bare_form() -> None:
    """Unidirectional clients take it without the wrapper."""
    bare = b'{"channel":"x","unsubscribe":{"code":2500}}'
    assert bare == replies.bare_push("x", "unsubscribe", {"code": 2500})
    assert b'{"push":%b}' % bare == replies.push("x", "unsubscribe", {"code": 2500})


def test_a_disconnect_push_carries_the_protocols_code() -> None:
    """It stands for a close code where there is none."""
    assert b'{"disconnect":{"code":3001,"reason":"shutdown"}}' == replies.disconnect_push(SHUTDOWN)


def test_a_position_is_never_negative() -> None:
    """Offsets are unsigned."""
    assert {"epoch": "e1", "offset": 7} == replies.position(Position("e1", 7))
    assert {"epoch": "e1", "offset": 0} == replies.position(Position("e1", -1))


def test_publications_are_copied_into_an_answer() -> None:
    """JSON passes as it is; other text becomes a JSON string, and binary a base64 one."""
    messages = [
        Message(5, "x", b'{"n": 1}'),
        Message(6, "x", "你好".encode()),
        Message(8, "x", b"\x00\xff", Kind.BINARY),
    ]
    answer = replies.reply(1, "history", {"publications": replies.publications(messages)})
    assert (
        '{"id":1,"history":{"publications":[{"data":{"n": 1},"offset":5},'
        '{"data":"你好","offset":6},{"data":"AP8=","offset":8}]}}'
    ).encode() == answer
