"""The style transfer methods that the bench compares, by name."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from intertone.audio import resample
from intertone.bench.cache import source_digest
from intertone.bench.transfer.baselines import copy_content, copy_style, exchange_envelopes, match_spectrum
from intertone.errors import InputError
from intertone.transfer import TransferConfig, load_preset, preset_names, transfer
from intertone.transfer.solver import QUICK_SECONDS

Transfer = Callable[[Tensor, Tensor, int], Tensor]
"""Function ``(content, style, sample_rate)`` → output with the length of the content; all ``(samples,)``."""

TRANSFER_CODE = (
    *("transfer/*.py", "phase/*.py", "models/*.py", "representation/*.py", "audio.py", "level.py", "stft.py"),
    *("codec.py", "recogniser.py"),
)
"""Source files on which the output of a transfer system depends."""

SYSTEM_CODE = (*TRANSFER_CODE, "codecs/*/*.*", "recognisers/*/*.*")
"""Files on which the output of the systems depends: their code and the networks that some of them use as a loss."""

CODE = ("bench/transfer/baselines.py", "level.py", "stft.py")
"""Source files on which the output of the baselines depends."""


@dataclass(frozen=True)
class TransferMethod:
    """A method of style transfer.

    Attributes:
        name: Name on the command line and in tables.
        transfer: The function. Equal inputs give equal outputs unless its time limit ends the optimisation earlier.
        mark: Name and hash of the method's configuration and code; a stored result with another mark is computed again.
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
"""Baselines by name; every method is compared with all of them."""


def find_method(name: str) -> TransferMethod:
    """Return the method with a given name.

    Args:
        name: One of ``BASELINES``, or a system of ``intertone transfer --list``.

    Returns:
        The method.

    Raises:
        InputError: If no method has this name.

    Example:
        >>> find_method("copy-content").transfer is copy_content
        True
    """
    if name in BASELINES:
        return TransferMethod(name, BASELINES[name], f"{name} {source_digest(CODE)}")
    if name in preset_names():
        config = load_preset(name)
        mark = f"{name} {config.digest()} {QUICK_SECONDS:g} s {source_digest(SYSTEM_CODE)}"
        return TransferMethod(name, _system(config), mark)
    raise InputError(f"a method must be one of {', '.join((*BASELINES, *preset_names()))}, got {name}")


def _system(config: TransferConfig) -> Transfer:
    """Return a transfer system as a method whose optimisation stops after ``QUICK_SECONDS``."""

    def run(content: Tensor, style: Tensor, sample_rate: int) -> Tensor:
        rate = config.sample_rate
        sounds = [resample(sound[None], sample_rate, rate) for sound in (content, style)]
        limits = config.limits.model_copy(update={"seconds": QUICK_SECONDS})
        result = transfer(sounds[0], sounds[1], config, limits=limits)
        if result.descent.stop == "interrupted":  # do not store an unfinished transfer
            raise KeyboardInterrupt
        found = resample(result.audio, rate, sample_rate)[0]
        return torch.nn.functional.pad(found, (0, max(0, len(content) - len(found))))[: len(content)]

    return run
