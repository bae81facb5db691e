"""Folders of networks: those that come with the package, by name, and those of users."""

import os
from pathlib import Path

from intertone.errors import InputError, did_you_mean

CODECS = Path(__file__).parent / "codecs"
"""Folder of the codecs that come with the package."""

RECOGNISERS = Path(__file__).parent / "recognisers"
"""Folder of the recognisers that come with the package."""


def shipped_names(folder: Path) -> list[str]:
    """Return the names of the networks that come with the package in a folder."""
    return sorted(path.parent.name for path in folder.glob("*/config.json"))


def find_network(network: str | Path, *, shipped: Path, kind: str) -> Path:
    """Return the folder of a network.

    Args:
        network: A shipped name, or the path of a folder with ``config.json``.
        shipped: Folder of those that come with the package.
        kind: What it is called, ``codec`` for instance.

    Raises:
        InputError: If there is neither; a folder of a run is refused with the one inside it.
    """
    names = shipped_names(shipped)
    if isinstance(network, str) and network in names:
        return shipped / network
    folder = Path(network)
    if os.path.isfile(folder / "best" / "config.json"):  # noqa: PTH113, as below
        raise InputError(
            f"the {kind} must be a {kind}'s folder, got the run {network}; did you mean {folder / 'best'}?"
        )
    if not os.path.isfile(folder / "config.json"):  # noqa: PTH113, Path.is_file raises for a name that is too long
        known, hint = ", ".join(names) or "(none shipped)", did_you_mean(str(network), names)
        raise InputError(f"the {kind} must be one of {known} or a folder with config.json, got {network}{hint}")
    return folder
