"""Memory that a transfer needs, estimated before it begins."""

from collections.abc import Iterator, Sequence
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
"""Lengths of two sounds, samples. The memory for both is measured, and that for a longer sound is extrapolated. For
systems whose layers have the rate of the samples; no length is shorter than a preset's segments."""

PROBED_SECONDS = (1, 2)
"""Lengths of the two sounds, s, for systems whose layers have one column per frame; neither is shorter than the widest
filter of a preset."""

CONTROL_GROUPS = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Control groups of version 2 and 1, by controller: their folder, the files with the limit and the use in bytes, and
the entry of ``memory.stat`` with the part of the use that the system frees when memory is short."""

CONTENT_SHARE = 1.8
"""Memory that the content needs, as a multiple of the tensors that are kept for the gradient of a sound of its length.
Measured: 1.7 with ``boemer_gram``, 1.8 with ``mital_nsynth``, 1.1 with ``boemer_l2``. A larger value would refuse
sounds that fit into the memory."""

FRAMES_CONTENT_SHARE = 3.3
"""``CONTENT_SHARE`` of systems whose layers have one column per frame. Measured: 3.3 with ``verma``, 4.9 with
``antognini``, 8 with ``caracalla_ri``; their convolutions need much temporary memory. The value is the smallest of
the three, so that no sound is refused that fits into the memory."""

STYLE_SHARE = 0.5
"""Memory that the style needs, as a multiple of the same tensors; no gradient is taken of the style's layers.
Measured: 0.4 with ``boemer_gram`` and ``mital_nsynth``; 0.8 with ``verma``; 1.1 with ``boemer_l2``, which needs at
most 0.1 GB per second of sound."""


def check_memory(content: Tensor, style: Tensor, config: TransferConfig, terms: Sequence[TermConfig]) -> None:
    """Refuse sounds for which a system needs more memory than there is.

    Layers can be hundreds of times as large as the sound, and all are kept for the gradient. What is kept is taken to
    grow with the length; matrices of positions, which grow faster, are bounded and are not counted.

    Args:
        content: ``(channels, samples)`` at ``config.sample_rate``.
        style: ``(channels, samples)`` at ``config.sample_rate``.
        config: The system.
        terms: Terms of the system's loss, and terms added to it.

    Raises:
        InputError: If there is too little memory; the sentence says which length fits.
    """
    rate = config.sample_rate
    sampled = any(term.front_end.kind == "samples" for term in terms)
    probed = PROBED if sampled else tuple(seconds * rate for seconds in PROBED_SECONDS)
    if max(content.shape[-1], style.shape[-1]) <= max(CHECKED_SECONDS * rate, probed[1]):
        return
    short, long = (_kept_bytes(_cut(content, samples), _cut(style, samples), config, terms) for samples in probed)
    each, available = (long - short) / (probed[1] - probed[0]), available_bytes()
    content_share = CONTENT_SHARE if sampled else FRAMES_CONTENT_SHARE
    for name, sound, share in (("content", content, content_share), ("style", style, STYLE_SHARE)):
        needed = share * each * rate  # of a second
        if needed * sound.shape[-1] / rate > available:
            raise InputError(
                f"the {name} must be at most {floor(10 * available / needed) / 10:.1f} s long, since each second needs "
                f"{needed / 1e9:.2g} GB of the {available / 1e9:.2g} GB of free memory, got "
                f"{sound.shape[-1] / rate:.1f} s"
            )


def available_bytes(root: Path = Path("/")) -> float:
    """Return the memory that new work can have without swapping, bytes; infinite where the system does not tell.

    It is what the system has left or, in a container or under a limit of its own, what is free of the limits of the
    process's control group and of those above it, whichever is smallest.

    Args:
        root: Folder in which the system's ``proc`` and ``sys`` lie.
    """
    lines = (_read(root / "proc/meminfo") or "").splitlines()
    found = [1024 * float(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return min([*found, *_free_of_groups(root)], default=inf)


def _free_of_groups(root: Path) -> Iterator[float]:
    """Yield the bytes that each control group on the path of this process has left, of those with a limit."""
    for line in (_read(root / "proc/self/cgroup") or "0::/\n0:memory:/").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller not in CONTROL_GROUPS:
                continue
            base, limit_name, used_name, idle_name = CONTROL_GROUPS[controller]
            folder = root / base / path.lstrip("/")
            while True:
                limit, used = (_read(folder / name) for name in (limit_name, used_name))
                if limit is not None and limit.isdigit():
                    statistics = dict(row.split() for row in (_read(folder / "memory.stat") or "").splitlines())
                    yield max(0.0, float(limit) - float(used or 0) + float(statistics.get(idle_name, 0)))
                if folder == root / base:
                    break
                folder = folder.parent


def _read(path: Path) -> str | None:
    """Return the content of a file of the system, None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _cut(sound: Tensor, samples: int) -> Tensor:
    """Return the first ``samples`` samples of a sound; a shorter sound is padded with zeros."""
    return torch.nn.functional.pad(sound[:, :samples], (0, max(0, samples - sound.shape[-1])))


def _kept_bytes(content: Tensor, style: Tensor, config: TransferConfig, terms: Sequence[TermConfig]) -> int:
    """Return the bytes that one evaluation of the objective keeps for its gradient."""
    variable = config.variable.build(content, config.sample_rate, config.init, torch.Generator().manual_seed(0))
    objective = Objective(terms, variable.reference(content), variable.reference(style), sample_rate=config.sample_rate)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor.detach()  # a tensor with a history would keep itself alive for ever

    variable.parameter.requires_grad_(True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        values = objective(variable.signal())
    del values  # not before: what is freed could lie where the next tensor is kept
    return sum(kept.values())
