"""SFZ: which file is played on which keys."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intertone.instrument.keys import Region

SHORTEST_RELEASE = 0.05
"""Seconds of a fade: two periods of 40 Hz. A low note that stops faster is heard to click."""


def sfz_text(regions: "Sequence[Region]", *, release_seconds: float) -> str:
    """Return an instrument's SFZ: one region for each file.

    Args:
        regions: The files, and the keys that each is played on.
        release_seconds: In which a key fades when it is let go.

    Returns:
        The text of the file.

    Source:
        The SFZ format, version 1; ``loop_end`` is the last sample that is played.
    """
    lines = ["// one file for each region; their names are relative to this file", "<global>"]
    lines += [f"ampeg_release={max(SHORTEST_RELEASE, release_seconds):.3f}", ""]
    for region in regions:
        key, loop = region.key, region.loop
        lines += [
            f"<region> sample={key.file_name}",
            f"lokey={key.lowest} hikey={key.highest} pitch_keycenter={key.pitch}",
        ]
        lines += [
            "loop_mode=no_loop"
            if loop is None
            else f"loop_mode=loop_sustain loop_start={loop.start} loop_end={loop.end - 1}",
            "",
        ]
    return "\n".join(lines)
