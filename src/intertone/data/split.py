"""Which notes train, which validate and which test: fixed by a hash, never by chance."""

import hashlib
from collections.abc import Sequence

from intertone.errors import InputError

SPLITS = ("train", "valid", "test")


def split_of(group: str, fractions: Sequence[float] = (0.8, 0.1, 0.1)) -> str:
    """Say to which split everything of ``group`` belongs.

    The hash of the name is read as a number in 0…1 and compared with the running sum of ``fractions``, so the answer
    depends on nothing but the name: not on what else is in the set, not on the order, not on a seed.

    Args:
        group: Name of what may not be split: an instrument, or the programs of a bank that share a recording.
        fractions: Shares of train, valid and test; not negative, with the sum 1.

    Returns:
        ``"train"``, ``"valid"`` or ``"test"``.

    Raises:
        InputError: If ``fractions`` are not three shares of one whole.

    Example:
        >>> [split_of(name) for name in ("guitar", "flute", "marimba")]
        ['valid', 'train', 'train']
        >>> split_of("guitar", (0.0, 0.0, 1.0))
        'test'
    """
    if len(fractions) != len(SPLITS) or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise InputError(f"fractions must be three shares >= 0 with the sum 1, got {tuple(fractions)}")
    place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8]) / 2**64
    if place < fractions[0]:
        return "train"
    return "valid" if place < fractions[0] + fractions[1] else "test"
