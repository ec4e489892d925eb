"""Labels: lower case, each once, bounded."""

import pytest

from accounts.errors import InvalidFieldsError
from accounts.keys.domain.labels import KeyLabels, checked_labels


def test_labels_are_lower_case_and_each_tag_is_there_once() -> None:
    assert checked_labels(environment=" Production ", tags=["EU", "eu", "team-7"]) == KeyLabels(
        "production", ("eu", "team-7")
    )
    assert checked_labels(environment="", tags=[]) == KeyLabels()


@pytest.mark.parametrize(
    ("environment", "tags", "pointer"),
    [
        ("two words", [], "/environment"),
        ("x" * 31, [], "/environment"),
        ("-x", [], "/environment"),
        ("ü", [], "/environment"),
        ("", ["a", ""], "/tags/1"),
        ("", ["<b>"], "/tags/0"),
        ("", [f"t{number}" for number in range(11)], "/tags"),
    ],
)
def test_what_is_no_label_is_refused_by_its_place(environment: str, tags: list[str], pointer: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        checked_labels(environment=environment, tags=tags)
    assert [error.pointer for error in refused.value.field_errors] == [pointer]
