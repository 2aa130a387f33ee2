from __future__ import annotations

from pushd.client.centrifugo.answers import Answers


def test_answers_leave_together() -> None:
    """They are given once, in order."""
    answers = Answers(100)
    answers.add(b"a")
    answers.add(b"b")
    assert ([b"a", b"b"], []) == (answers.take(), answers.take())


def test_room_comes_back_when_they_have_left() -> None:
    """Until then the client has to read."""
    answers = Answers(2)
    answers.add(b"a")
    assert answers.room > 0
    answers.add(b"b")
    answers.take()
    assert answers.room <= 0
    answers.make_room()
    assert answers.room > 0


def test_members_count_as_bytes() -> None:
    """Looking at them costs time that no answer shows."""
    answers = Answers(2000)
    answers.charge(1)
    assert answers.room > 0
    answers.charge(1)
    assert answers.room <= 0
