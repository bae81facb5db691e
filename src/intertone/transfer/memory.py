"""Memory that a transfer needs which looks at every sample, estimated before it begins."""

from collections.abc import Sequence
from math import floor, inf
from pathlib import Path

import torch
from torch import Tensor

from intertone.errors import InputError
from intertone.transfer.objective import Objective, TermConfig
from intertone.transfer.settings import TransferConfig

CHECKED_SECONDS = 1.0
"""Sounds up to this length are not checked, since the estimate takes some seconds itself."""

PROBED = (2048, 4096)
"""Samples of two short sounds, from whose needs that of a long one follows; not shorter than a preset's segments."""

CONTENT_SHARE = 1.8
"""Memory for the content, of what is kept for the gradient: measured are 1.7 with ``boemer_gram``, 1.8 with
``mital_nsynth`` and 1.1 with ``boemer_l2``. A larger value refuses sounds that would fit."""

STYLE_SHARE = 0.5
"""The same for the style, of whose layers no gradient is taken: 0.4 with ``boemer_gram`` and with
``mital_nsynth``; 1.1 with ``boemer_l2``, which needs no more than 0.1 GB a second."""


def check_memory(content: Tensor, style: Tensor, config: TransferConfig, terms: Sequence[TermConfig]) -> None:
    """Refuse sounds for which a system that looks at every sample needs more memory than there is.

    Layers at the rate of the samples are hundreds of times as large as the sound, and all are kept for the gradient.

    Args:
        content: ``(channels, samples)`` at ``config.sample_rate``.
        style: The same.
        config: The system.
        terms: Its terms, and what was added to them.

    Raises:
        InputError: If there is too little memory; the sentence says which length fits.
    """
    rate = config.sample_rate
    if max(content.shape[-1], style.shape[-1]) <= CHECKED_SECONDS * rate:
        return
    if not any(term.front_end.kind == "samples" for term in terms):
        return
    short, long = (_kept_bytes(_cut(content, samples), _cut(style, samples), config, terms) for samples in PROBED)
    each, available = (long - short) / (PROBED[1] - PROBED[0]), available_bytes()
    for name, sound, share in (("content", content, CONTENT_SHARE), ("style", style, STYLE_SHARE)):
        needed = share * each * rate  # of a second
        if needed * sound.shape[-1] / rate > available:
            raise InputError(
                f"the {name} must be at most {floor(10 * available / needed) / 10:.1f} s long, since each second needs "
                f"{needed / 1e9:.2g} GB of the {available / 1e9:.2g} GB of free memory, got "
                f"{sound.shape[-1] / rate:.1f} s"
            )


def available_bytes() -> float:
    """Return the memory that new work can have without swapping, bytes; infinite where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return inf
    found = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return 1024 * float(next(found, inf))


def _cut(sound: Tensor, samples: int) -> Tensor:
    """Return the beginning of a sound, of one that is shorter with zeros."""
    return torch.nn.functional.pad(sound[:, :samples], (0, max(0, samples - sound.shape[-1])))


def _kept_bytes(content: Tensor, style: Tensor, config: TransferConfig, terms: Sequence[TermConfig]) -> int:
    """Return the bytes that one evaluation of the objective keeps for its gradient."""
    variable = config.variable.build(content, config.sample_rate, config.init, torch.Generator().manual_seed(0))
    objective = Objective(terms, variable.reference(content), variable.reference(style), sample_rate=config.sample_rate)
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    variable.parameter.requires_grad_(True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        objective(variable.signal())
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
