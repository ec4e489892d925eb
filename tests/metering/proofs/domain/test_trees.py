"""Trees as RFC 6962 has them: its vectors, and every path of every small tree."""

import hashlib

import pytest

from metering.proofs.domain.trees import EMPTY_ROOT, hashes_in, leaf_hash, node_hash, path_of, root_by_path, root_of

LEAVES = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
# The roots over the first one, two, … of them: the vectors that implementations of RFC 6962 share.
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaves(number: int) -> list[bytes]:
    return [leaf_hash(str(n).encode()) for n in range(number)]


def split_root(hashes: list[bytes]) -> bytes:
    """Return the root by the recursion of RFC 6962, section 2.1, word for word."""
    if len(hashes) == 1:
        return hashes[0]
    at = 1 << ((len(hashes) - 1).bit_length() - 1)
    return node_hash(split_root(hashes[:at]), split_root(hashes[at:]))


@pytest.mark.parametrize(("number", "root"), list(enumerate(ROOTS, start=1)))
def test_the_vectors_of_rfc_6962_pass(number: int, root: str) -> None:
    assert root_of([leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:number]]).hex() == root


def test_the_empty_tree_has_the_digest_of_nothing() -> None:
    assert root_of([]) == EMPTY_ROOT == hashlib.sha256().digest()


def test_every_path_of_every_small_tree_leads_to_its_root_alone() -> None:
    for number in range(1, 35):
        hashes = leaves(number)
        root = root_of(hashes)
        assert root == split_root(hashes)
        for index, leaf in enumerate(hashes):
            path = path_of(hashes, index)
            assert root_by_path(leaf, index=index, leaves=number, path=path) == root
            assert root_by_path(leaf_hash(b"other"), index=index, leaves=number, path=path) != root
            assert root_by_path(leaf, index=index, leaves=number, path=[*path, leaf]) is None
            assert not path or root_by_path(leaf, index=index, leaves=number, path=path[:-1]) is None


def test_a_place_outside_of_the_tree_has_no_root() -> None:
    assert root_by_path(EMPTY_ROOT, index=1, leaves=1, path=[]) is None


def test_blocks_have_the_root_of_their_leaves() -> None:
    hashes = leaves(23)
    blocks = [hashes[start : start + 8] for start in range(0, 23, 8)]
    assert root_of([root_of(block) for block in blocks]) == root_of(hashes)
    assert hashes_in(b"".join(hashes)) == hashes
