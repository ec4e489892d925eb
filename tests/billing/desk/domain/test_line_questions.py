"""How events are named in a form and stored, and which way a question goes."""

from billing.desk.domain.line_questions import (
    QUESTION_TRANSITIONS,
    EventName,
    QuestionStatus,
    names_in,
    names_of_stored,
    stored_names,
)


def test_names_of_a_form_are_stored_and_read_back() -> None:
    names = [EventName("a b"), EventName("c", "urn:shop")]
    text = "a b\r\nc\turn:shop\r\na b\n \n"

    assert names_in(text) == names
    assert names_of_stored(stored_names(names)) == names


def test_only_an_open_question_is_decided() -> None:
    assert {status for status, after in QUESTION_TRANSITIONS.items() if after} == {QuestionStatus.OPEN}
