"""Slugs of tenants."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.slugs import RESERVED_SLUGS, SLUG_CHARACTERS_MAX, is_slug, slug_candidates, slugify_name


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Acme", "acme"),
        ("Acme & Sons, Ltd.", "acme-sons-ltd"),
        ("  Ünï Côde  GmbH ", "uni-code-gmbh"),
        ("株式会社", "tenant"),
        ("---", "tenant"),
        ("", "tenant"),
        ("a" * 49 + " bc", "a" * 49),
    ],
)
def test_a_name_becomes_a_slug(name: str, slug: str) -> None:
    assert slugify_name(name) == slug


@given(name=st.text())
def test_every_candidate_is_a_slug_and_no_two_are_alike(name: str) -> None:
    candidates = list(islice(slug_candidates(name), 12))
    assert all(is_slug(candidate) for candidate in candidates)
    assert len(set(candidates)) == 12
    assert all(len(candidate) <= SLUG_CHARACTERS_MAX for candidate in candidates)


@pytest.mark.parametrize("name", ["Admin", "API", "healthz"])
def test_a_reserved_word_is_no_slug_and_becomes_one(name: str) -> None:
    assert slugify_name(name) in RESERVED_SLUGS
    assert not is_slug(slugify_name(name))
    assert next(slug_candidates(name)) == f"{name.lower()}-2"


@pytest.mark.parametrize("text", ["", "-a", "a-", "a--b", "A", "é", "a_b", "a b", "a/b", "a\n", "a" * 51])
def test_an_invalid_slug_is_refused_with_a_reason(text: str) -> None:
    assert not is_slug(text)
