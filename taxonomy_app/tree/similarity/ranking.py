"""The best of many by a number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def best_of(keys: NDArray[np.int64], likeness: NDArray[Any], most: int) -> list[tuple[int, float]]:
    """(key, likeness) of the ``most`` highest that are above 0, the highest first, equal ones by key."""
    most = min(most, keys.size)
    if most < 1:
        return []
    best = np.argpartition(-likeness, most - 1)[:most]
    best = best[np.lexsort((keys[best], -likeness[best]))]
    return [(int(keys[one]), float(likeness[one])) for one in best if likeness[one] > 0]
