"""The running hash of docs/journal.md in plain Python, for tests and auditors.

The engine has a fast twin, `book.chain`. Invariant: it depends on the records' bytes alone.
"""

from __future__ import annotations

import struct

from svc.engine.records import split_records

_MASK = (1 << 64) - 1
_WORDS = struct.Struct("<16Q")
# The first seventeen round constants of SHA-512 (FIPS 180-4): nothing up the sleeve.
_K = (
    0x428A2F98D728AE22, 0x7137449123EF65CD, 0xB5C0FBCFEC4D3B2F, 0xE9B5DBA58189DBBC,
    0x3956C25BF348B538, 0x59F111F1B605D019, 0x923F82A4AF194F9B, 0xAB1C5ED5DA6D8118,
    0xD807AA98A3030242, 0x12835B0145706FBE, 0x243185BE4EE4B28C, 0x550C7DC3D5FFB4E2,
    0x72BE5D74F27B896F, 0x80DEB1FE3B1696B1, 0x9BDC06A725C71235, 0xC19BF174CF692694,
    0xE49B69C19EF14AD2,
)  # fmt: skip


def _mum(a: int, b: int) -> int:
    product = a * b
    return (product ^ (product >> 64)) & _MASK


def chain(running_hash: int, records: bytes | memoryview) -> int:
    """Returns the running hash after `records`, given the one before; both 64 bits, unsigned."""
    for record in split_records(records):
        words = _WORDS.unpack(record)
        digest = 0
        for i in range(0, 16, 2):
            digest ^= _mum(words[i] ^ _K[i], words[i + 1] ^ _K[i + 1])
        running_hash = _mum(running_hash ^ digest, _K[16])
    return running_hash
