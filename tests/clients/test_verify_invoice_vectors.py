"""The signatures and trees of `verify_invoice.py`, by the vectors of RFC 8032 and RFC 6962."""

import hashlib

import pytest

from tests.clients.sources import client_module

verifier = client_module("verify_invoice")
# RFC 8032, section 7.1: public key, message, signature.
SIGNED = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]
# RFC 6962's reference implementation: the leaves, and the roots of the first 1 to 8 of them.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
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
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize(("public", "message", "signature"), SIGNED)
def test_a_signature_holds_of_its_text_and_key_alone(public: str, message: str, signature: str) -> None:
    key, text, signed = (bytes.fromhex(one) for one in (public, message, signature))
    assert verifier.is_signed(key, text, signed)
    assert not verifier.is_signed(key, text + b"x", signed)
    for position in (0, 31, 32, 62):
        forged = bytearray(signed)
        forged[position] ^= 1
        assert not verifier.is_signed(key, text, bytes(forged))
    assert not verifier.is_signed(bytes.fromhex(SIGNED[2][0] if public != SIGNED[2][0] else SIGNED[0][0]), text, signed)


def test_another_writing_of_a_signature_is_refused() -> None:
    """Refuse a scalar beyond the order of the group, a key that is no point, and other lengths."""
    key, text, signed = (bytes.fromhex(one) for one in SIGNED[0])
    larger = int.from_bytes(signed[32:], "little") + ORDER
    assert not verifier.is_signed(key, text, signed[:32] + larger.to_bytes(32, "little"))
    assert not verifier.is_signed(b"\xff" * 32, text, signed)
    assert not verifier.is_signed(key, text, b"\xff" * 64)
    assert not verifier.is_signed(key[:31], text, signed)
    assert not verifier.is_signed(key, text, signed[:63])


def path_of(hashes: list[bytes], index: int) -> list[bytes]:
    """Return the audit path as RFC 6962, section 2.1.1, defines it: the definition, not a program for it."""
    if len(hashes) == 1:
        return []
    k = 1 << (len(hashes) - 1).bit_length() - 1
    if index < k:
        return [*path_of(hashes[:k], index), root_of(hashes[k:])]
    return [*path_of(hashes[k:], index - k), root_of(hashes[:k])]


def root_of(hashes: list[bytes]) -> bytes:
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return bytes(verifier.node_hash(root_of(hashes[:k]), root_of(hashes[k:])))


@pytest.mark.parametrize("size", range(1, 9))
def test_each_path_leads_to_the_root_of_the_reference(size: int) -> None:
    hashes = [verifier.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size]]
    for index, leaf in enumerate(hashes):
        path = path_of(hashes, index)
        assert verifier.root_by_path(leaf, index, size, path).hex() == ROOTS[size - 1]
        assert verifier.root_by_path(leaf, size, size, path) is None
        assert verifier.root_by_path(leaf, index, size, [*path, leaf]) is None
        if path:
            assert verifier.root_by_path(leaf, index, size, path[:-1]) is None


def test_a_node_cannot_be_presented_as_a_leaf() -> None:
    left, right = (verifier.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:2])
    assert verifier.leaf_hash(left + right) != verifier.node_hash(left, right)
