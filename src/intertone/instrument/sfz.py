"""SFZ map of an instrument: keys, velocities and morph position of each file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intertone.instrument.keys import Region

SHORTEST_RELEASE = 0.05
"""Shortest release time, s: two periods of 40 Hz, since a faster end of a low note clicks."""
MORPH_CONTROLLER = 1
"""Number of the MIDI controller that crossfades from A to B: the modulation wheel."""


def sfz_text(regions: "Sequence[Region]", *, release_seconds: float) -> str:
    """Return the text of an instrument's SFZ map, with one region for each file.

    Controller 1 crossfades morph layers linearly: their partials are in phase, so their amplitudes add, and a crossfade
    of equal power would be 3 dB louder in the middle. A velocity plays one velocity layer; the gain is the default of
    SFZ players, (velocity / 127)².

    Args:
        regions: The files and their keys.
        release_seconds: Release time, s.

    Returns:
        The text of the file.

    Source:
        SFZ format, versions 1 and 2; ``loop_end`` is the last sample that is played.
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
    """Return the SFZ opcodes for the velocities of a file and for its crossfades by the controller."""
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
