"""Methods of style transfer by name."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from intertone.bench.cache import source_digest
from intertone.bench.transfer.baselines import copy_content, copy_style, exchange_envelopes, match_spectrum
from intertone.errors import InputError

Transfer = Callable[[Tensor, Tensor, int], Tensor]
"""``(content, style, sample_rate)`` → a sound as long as the content; all ``(samples,)``."""

CODE = ("bench/transfer/baselines.py", "level.py", "stft.py")
"""Files that decide what the baselines give."""


@dataclass(frozen=True)
class TransferMethod:
    """A way to transfer a style.

    Attributes:
        name: On the command line and in tables.
        transfer: The function; the same sounds give the same result.
        mark: A text that is another one as soon as the method gives something else: kept results are found by it.
    """

    name: str
    transfer: Transfer
    mark: str


BASELINES: dict[str, Transfer] = {
    "copy-content": copy_content,
    "copy-style": copy_style,
    "eq-match": match_spectrum,
    "cross-synthesis": exchange_envelopes,
}
"""Baselines by name; every method is compared with each."""


def find_method(name: str) -> TransferMethod:
    """Return the method of a name.

    Args:
        name: One of ``BASELINES``.

    Returns:
        The method.

    Raises:
        InputError: If there is no such method.

    Example:
        >>> find_method("copy-content").transfer is copy_content
        True
    """
    if name in BASELINES:
        return TransferMethod(name, BASELINES[name], f"{name} {source_digest(CODE)}")
    raise InputError(f"a method must be one of {', '.join(BASELINES)}, got {name}")
