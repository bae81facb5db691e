"""Search for the folder of a network: by the name of a shipped network, or by its path."""

import os
from pathlib import Path

from intertone.errors import InputError, did_you_mean

CODECS = Path(__file__).parent / "codecs"
"""Folder of the codecs that come with the package."""

RECOGNISERS = Path(__file__).parent / "recognisers"
"""Folder of the recognisers that come with the package."""


def shipped_names(folder: Path) -> list[str]:
    """Return the sorted names of the networks in ``folder``, which are its subfolders with a ``config.json``."""
    return sorted(path.parent.name for path in folder.glob("*/config.json"))


def find_network(network: str | Path, *, shipped: Path, kind: str) -> Path:
    """Return the folder of a network.

    Args:
        network: Name of a shipped network, or path of a folder with ``config.json``.
        shipped: Folder of the shipped networks.
        kind: Kind of the network for the error sentence, such as ``codec``.

    Raises:
        InputError: If ``network`` is neither; for the folder of a training run, the sentence names its ``best`` folder.
    """
    names = shipped_names(shipped)
    if isinstance(network, str) and network in names:
        return shipped / network
    folder = Path(network)
    if os.path.isfile(folder / "best" / "config.json"):  # noqa: PTH113, as below
        raise InputError(
            f"the {kind} must be the folder of a {kind}, got that of a run, {network}; did you mean {folder / 'best'}?"
        )
    if not os.path.isfile(folder / "config.json"):  # noqa: PTH113, Path.is_file raises for a name that is too long
        known, hint = ", ".join(names) or "(none shipped)", did_you_mean(str(network), names)
        raise InputError(f"the {kind} must be one of {known} or a folder with config.json, got {network}{hint}")
    return folder
