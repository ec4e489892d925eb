"""Merkle trees by RFC 6962, section 2.1: hashes of leaves and nodes, roots, and paths of inclusion.

A large tree is kept as blocks of `BLOCK_LEAVES` leaves. A block is a complete subtree, so the root is computed from the
roots of blocks alone, and a path needs the leaves of one block.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

HASH_BYTES: Final = 32
BLOCK_LEAVES: Final = 1024  # a power of two: only then is a block a subtree
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(content: bytes) -> bytes:
    """Return the hash of a leaf. Its prefix differs from a node's, so no node can be presented as a leaf."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node above two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root above hashes of leaves, or above the roots of complete subtrees of one size."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        # An odd last one moves up as it is: the same tree as the split at the largest power of two.
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def path_of(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the siblings on the way from one of the hashes to the root, the lowest first."""
    return path_in(levels_of(hashes), index)


def levels_of(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """Return the levels of a tree from its hashes up, without the root: for several paths in one tree."""
    levels, level = [], list(hashes)
    while len(level) > 1:
        levels.append(level)
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return levels


def path_in(levels: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """Return the siblings on the way from the hash at `index` of the lowest level to the root, the lowest first."""
    assert index >= 0, "an index counts from 0"
    path = []
    for level in levels:
        assert index < len(level), "the leaf is one of the tree's"
        if (sibling := index ^ 1) < len(level):
            path.append(level[sibling])
        index //= 2
    return path


def root_by_path(leaf: bytes, *, index: int, leaves: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root to which a path leads from a leaf; None if the path has another length than such a tree's."""
    if not 0 <= index < leaves:
        return None
    found, siblings = leaf, iter(path)
    width = leaves
    while width > 1:
        if index ^ 1 < width:
            sibling = next(siblings, None)
            if sibling is None:
                return None
            found = node_hash(sibling, found) if index & 1 else node_hash(found, sibling)
        index, width = index // 2, (width + 1) // 2
    return found if next(siblings, None) is None else None


def hashes_in(block: bytes) -> list[bytes]:
    """Return the hashes that a block or a list of roots holds one after the other."""
    return list(_pieces(block))


def _pieces(block: bytes) -> Iterator[bytes]:
    for start in range(0, len(block), HASH_BYTES):
        yield block[start : start + HASH_BYTES]
