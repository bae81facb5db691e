"""Methods of style transfer by name."""

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
"""``(content, style, sample_rate)`` → a sound as long as the content; all ``(samples,)``."""

TRANSFER_CODE = (
    *("transfer/*.py", "phase/*.py", "models/*.py", "representation/*.py", "audio.py", "level.py", "stft.py"),
    *("codec.py", "recogniser.py"),
)
"""Code that decides what a transfer gives."""

SYSTEM_CODE = (*TRANSFER_CODE, "codecs/*/*.*", "recognisers/*/*.*")
"""Files that decide what the systems give: their code, and the networks that some compare sounds with."""

CODE = ("bench/transfer/baselines.py", "level.py", "stft.py")
"""Files that decide what the baselines give."""


@dataclass(frozen=True)
class TransferMethod:
    """A way to transfer a style.

    Attributes:
        name: On the command line and in tables.
        transfer: The function; the same sounds give the same result, as far as the time that it has is enough.
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
        name: One of ``BASELINES``, or a system of ``intertone transfer --list``.

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
    if name in preset_names():
        config = load_preset(name)
        mark = f"{name} {config.digest()} {QUICK_SECONDS:g} s {source_digest(SYSTEM_CODE)}"
        return TransferMethod(name, _system(config), mark)
    raise InputError(f"a method must be one of {', '.join((*BASELINES, *preset_names()))}, got {name}")


def _system(config: TransferConfig) -> Transfer:
    """Return a system of style transfer as a method, ended after ``QUICK_SECONDS`` of optimisation."""

    def run(content: Tensor, style: Tensor, sample_rate: int) -> Tensor:
        rate = config.sample_rate
        sounds = [resample(sound[None], sample_rate, rate) for sound in (content, style)]
        limits = config.limits.model_copy(update={"seconds": QUICK_SECONDS})
        result = transfer(sounds[0], sounds[1], config, limits=limits)
        if result.descent.stop == "interrupted":  # a part of a transfer is no result
            raise KeyboardInterrupt
        found = resample(result.audio, rate, sample_rate)[0]
        return torch.nn.functional.pad(found, (0, max(0, len(content) - len(found))))[: len(content)]

    return run
