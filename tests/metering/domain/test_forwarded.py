"""What a gateway's headers tell of a request, whatever a client wrote into them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.forwarded import ContradictingHeadersError, forwarded_properties, path_of
from metering.domain.texts import is_storable


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/orders/7?secret=1", "/orders/7"),
        ("/orders/7#part", "/orders/7"),
        ("/", "/"),
        ("//double//slash", "//double//slash"),
        ("/a%2Fb%3Fc", "/a%2Fb%3Fc"),
        ("https://api.example.com/orders?x", "/orders"),
        ("https://api.example.com?x", "/"),
        ("/a?u=https://b.example/c", "/a"),
        ("/café".encode().decode("latin-1"), "/café"),
        ("/caf\xe9", None),
        ("/snow☃", None),
        ("/nul\x00", None),
        ("orders", None),
        ("?x", None),
        ("*", None),
        ("", None),
    ],
)
def test_the_path_is_kept_without_its_query_or_not_at_all(uri: str, path: str | None) -> None:
    assert path_of(uri) == path


def test_either_name_of_a_header_is_read_and_both_if_they_agree() -> None:
    expected = {"http_method": "POST", "resource_path": "/a"}
    assert forwarded_properties({"X-Original-URI": "/a", "X-Original-Method": "POST"}) == expected
    assert forwarded_properties({"X-Forwarded-Uri": "/a", "X-Forwarded-Method": "POST"}) == expected
    assert forwarded_properties({"X-Forwarded-Uri": "/a", "X-Original-URI": "/a", "X-Forwarded-Method": ""}) == {
        "resource_path": "/a"
    }


@pytest.mark.parametrize("names", [("X-Original-URI", "X-Forwarded-Uri"), ("X-Original-Method", "X-Forwarded-Method")])
def test_headers_that_contradict_each_other_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(ContradictingHeadersError):
        forwarded_properties(dict(zip(names, ("/cheap", "/dear"), strict=True)))


@given(st.text(), st.text())
def test_whatever_is_sent_the_result_is_storable(uri: str, method: str) -> None:
    for value in forwarded_properties({"X-Original-URI": uri, "X-Original-Method": method}).values():
        assert value
        assert is_storable(value)
