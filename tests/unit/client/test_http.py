from __future__ import annotations

from pushd.client.http import HttpError, Response, head, render


def test_a_head_has_a_date_and_the_headers_given() -> None:
    """And ends with an empty line."""
    expected = (
        b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:10 GMT\r\nContent-Type: text/plain\r\n"
        b"Connection: close\r\n\r\n"
    )
    assert expected == head(200, [("Content-Type", "text/plain"), ("Connection", "close")], 10.0)


def test_a_response_tells_its_length_and_that_it_is_the_last() -> None:
    """The body follows the head."""
    expected = (
        b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX: y\r\nContent-Length: 2\r\n"
        b"Connection: close\r\n\r\nhi"
    )
    assert expected == render(Response(200, [("X", "y")], b"hi"), 0.0)


def test_an_answer_to_head_has_no_body() -> None:
    """But its length."""
    answer = render(Response(200, (), b"hi"), 0.0, body=False)
    assert answer.endswith(b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")


def test_an_error_says_why_in_one_line() -> None:
    """With what its status asks for."""
    answer = render(HttpError(405, "the method is not allowed here", ("Allow", "GET")).response, 0.0)
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert b"\r\nAllow: GET\r\n" in top
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n" in top
    assert b"the method is not allowed here\n" == body


def test_an_upgrade_that_is_required_is_one_of_the_connection() -> None:
    """Upgrade is a header of the hop, and has to be named as one (RFC 9110 section 7.8)."""
    answer = render(HttpError(426, "a WebSocket is spoken here", ("Upgrade", "websocket")).response, 0.0)
    assert b"\r\nUpgrade: websocket\r\n" in answer
    assert b"\r\nConnection: upgrade, close\r\n" in answer
