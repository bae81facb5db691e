"""Weights of networks on disk: the folder that is saved and shared."""

import hashlib
from pathlib import Path
from textwrap import shorten

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from intertone.config import Settings
from intertone.errors import InputError
from intertone.files import replacing


def save_network(folder: Path | str, config: Settings, model: nn.Module, *, card: str, half: bool = False) -> None:
    """Write ``config.json``, ``model.safetensors`` and the model card ``README.md``.

    Args:
        folder: Made if it does not exist; what is in it of this kind is replaced file by file.
        config: The settings that the network is built from.
        model: The network.
        card: Text of the model card.
        half: Store the weights in 16 bits.

    Raises:
        InputError: If the folder cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the codec's folder must be writable, got {folder}: {error.strerror}") from None
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    if half:
        state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    with replacing(folder / "model.safetensors") as temporary:
        temporary.write_bytes(save(state))
    with replacing(folder / "README.md") as temporary:
        temporary.write_text(card, encoding="utf-8")
    config.write(folder / "config.json")


def weights_digest(model: nn.Module) -> str:
    """Return a short hash that is equal exactly when all weights of two networks are."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def load_weights(folder: Path, model: nn.Module, *, device: str = "cpu") -> None:
    """Read ``model.safetensors`` into a network and move it to a device.

    Args:
        folder: Where ``save_network`` wrote.
        model: The network that ``config.json`` there describes.
        device: ``cpu``, ``cuda``, …

    Raises:
        InputError: If the weights are missing, broken, of another network or not finite, or torch has no such device.
    """
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise InputError(f"a codec's folder must hold model.safetensors, got none in {folder}")
    try:
        state = {
            name: value.float() if value.is_floating_point() else value for name, value in load_file(weights).items()
        }
        model.load_state_dict(state)
    except (SafetensorError, RuntimeError, OSError) as error:
        *_, reason = ("", *str(error).splitlines()[:2])  # torch's first line only says that there are more
        reason = shorten(reason, 200, placeholder=" …")
        raise InputError(f"the weights must fit config.json, got a broken or foreign {weights}: {reason}") from None
    if not all(value.isfinite().all() for value in model.state_dict().values()):
        raise InputError(f"the weights must be finite, got NaN or infinity in {weights}")
    try:
        model.to(torch.device(device))
        torch.zeros(1, device=torch.device(device)).sum().item()  # a device that takes values may not give them back
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the device must be one that torch can use, got {device}: {reason}") from None
