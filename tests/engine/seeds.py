"""What seeds the soak: MESH_SOAK_SEED, a whole number, makes every seeded test of it another one.

Without it, and in the slice that CI runs, seeds are always the same.
"""

from __future__ import annotations

import os

SOAK_SEED = int(os.environ.get("MESH_SOAK_SEED", "0"))


def soak_seeds(count: int) -> range:
    """So many seeds, none of which another MESH_SOAK_SEED has."""
    first = 1_000 * (1 + SOAK_SEED)
    return range(first, first + count)
