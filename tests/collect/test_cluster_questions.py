from __future__ import annotations

from concurrent.futures import Future

import pytest

from unslow.collect.cluster_questions import Answer
from unslow.errors import Unavailable


def test_an_answer_that_did_not_come() -> None:
    refused: Future[int] = Future()
    refused.set_exception(Unavailable("time", "give more"))
    answer = Answer(refused)
    assert not answer.is_there()
    assert answer.otherwise(3) == 3
    with pytest.raises(Unavailable):
        answer()


def test_an_answer_is_given_out_as_often_as_one_likes() -> None:
    given: Future[int] = Future()
    given.set_result(5)
    answer = Answer(given)
    assert answer.is_there()
    assert [answer(), answer(), answer.otherwise(3)] == [5, 5, 5]
