"""SFZ: which file is played on which keys, at which velocities, and where between two sounds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intertone.instrument.keys import Region

SHORTEST_RELEASE = 0.05
"""Seconds of a fade: two periods of 40 Hz. A low note that stops faster is heard to click."""

MORPH_CONTROLLER = 1
"""MIDI controller that goes from A to B: the modulation wheel."""


def sfz_text(regions: "Sequence[Region]", *, release_seconds: float) -> str:
    """Return an instrument's SFZ: one region for each file.

    Layers between two sounds are crossfaded linearly by controller 1: partials in phase add up to their mean amplitude,
    and a crossfade of equal power would be 3 dB louder between them. Of velocities each plays one layer; how much
    softer it is, is the player's default, a gain of (velocity / 127)².

    Args:
        regions: The files, and the keys that each is played on.
        release_seconds: In which a key fades when it is let go.

    Returns:
        The text of the file.

    Source:
        The SFZ format, versions 1 and 2; ``loop_end`` is the last sample that is played.
    """
    several = any(region.layer.n_steps > 1 for region in regions)
    lines = ["// one file for each region; their names are relative to this file"]
    lines += ["<control>", f"label_cc{MORPH_CONTROLLER}=Morph", f"set_cc{MORPH_CONTROLLER}=0"] if several else []
    lines += ["<global>", f"ampeg_release={max(SHORTEST_RELEASE, release_seconds):.3f}"]
    lines += ["xf_cccurve=gain", ""] if several else [""]
    for region in regions:
        key, loop = region.key, region.loop
        lines += [
            f"<region> sample={region.file_name}",
            f"lokey={key.lowest} hikey={key.highest} pitch_keycenter={key.pitch}",
            *_conditions(region),
            "loop_mode=no_loop"
            if loop is None
            else f"loop_mode=loop_sustain loop_start={loop.start} loop_end={loop.end - 1}",
            "",
        ]
    return "\n".join(lines)


def _conditions(region: "Region") -> list[str]:
    """Return at which velocities a file is played, and at which values of the controller."""
    lines, layer = [], region.layer
    if layer.n_velocities > 1:
        lowest, highest = layer.velocities
        lines.append(f"lovel={lowest} hivel={highest}")
    before, here, after = layer.fades
    number = MORPH_CONTROLLER
    if before is not None:
        lines.append(f"xfin_locc{number}={before} xfin_hicc{number}={here}")
    if after is not None:
        lines.append(f"xfout_locc{number}={here} xfout_hicc{number}={after}")
    return lines
