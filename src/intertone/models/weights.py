"""Saving and loading of networks: the folder with settings, weights and model card."""

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
        folder: It is made if it does not exist; existing files of these names are replaced one by one.
        config: Settings of the network.
        model: The network.
        card: Text of the model card.
        half: Whether the weights are stored in 16 bits.

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
    """Return a hash of 16 hexadecimal digits of all weights."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def load_weights(folder: Path, model: nn.Module, *, device: str = "cpu") -> None:
    """Read ``model.safetensors`` into a network and move it to a device.

    Args:
        folder: Folder that ``save_network`` has written.
        model: The network, built from the ``config.json`` in this folder.
        device: ``cpu``, ``cuda``, …

    Raises:
        InputError: If the weights are missing, damaged, those of another network or not finite, or torch cannot use the
            device.
    """
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise InputError(f"a codec's folder must hold model.safetensors, got none in {folder}")
    try:
        model.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        *_, reason = ("", *str(error).splitlines()[:2])  # the first line of torch's message has no content
        reason = shorten(reason, 200, placeholder=" …")
        raise InputError(
            f"the weights must fit config.json, got damaged or other ones in {weights}: {reason}"
        ) from None
    if not all(value.isfinite().all() for value in model.state_dict().values()):
        raise InputError(f"the weights must be finite, got NaN or infinity in {weights}")
    try:
        model.to(torch.device(device))
        torch.zeros(1, device=torch.device(device)).sum().item()  # some devices accept values but cannot return them
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the device must be one that torch can use, got {device}: {reason}") from None
