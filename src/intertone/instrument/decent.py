"""Preset for Decent Sampler: the same files as in the SFZ, and a knob that crossfades between two sounds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from intertone.instrument.layer import LARGEST, Layer
from intertone.instrument.sfz import MORPH_CONTROLLER, SHORTEST_RELEASE

if TYPE_CHECKING:
    from intertone.instrument.keys import Region

SIZE = ("812", "375")
"""Width and height of the preset's window, pixels, as in the example of the format's documentation."""

Element = ElementTree.Element


def decent_text(regions: "Sequence[Region]", *, release_seconds: float) -> str:
    """Return an instrument's preset for Decent Sampler, with one group for each morph layer.

    A knob, which MIDI controller 1 moves too, sets the volumes of the groups, so that two neighbouring layers are
    crossfaded linearly.

    Args:
        regions: The files and their keys.
        release_seconds: Release time, s.

    Returns:
        The text of the file, XML.

    Source:
        The developer guide of the format by its maker.
    """
    root = Element("DecentSampler", minVersion="1.0.0")
    tab = _under(_under(root, "ui", width=SIZE[0], height=SIZE[1]), "tab", name="main")
    steps = {region.layer.step: region.layer for region in regions}
    release = f"{max(SHORTEST_RELEASE, release_seconds):.3f}"
    if len(steps) > 1:
        knob = _knob(tab, "Morph", value="0", largest="1", x="280")
        for place, layer in sorted(steps.items()):
            table = {"translation": "table", "translationTable": _table(layer)}
            _bind(knob, type="amp", level="group", position=str(place), parameter="AMP_VOLUME", **table)
    knob = _knob(tab, "Release", value=release, largest=f"{max(5.0, float(release)):g}", x="410")
    _bind(knob, type="amp", level="instrument", position="0", parameter="ENV_RELEASE")
    groups = _under(root, "groups", attack="0", release=release)
    for place in sorted(steps):
        group = _under(groups, "group", volume=str(int(place == 0)), ampVelTrack="1")
        for region in regions:
            if region.layer.step == place:
                _under(group, "sample", **_zone(region))
    midi = _under(root, "midi")
    if len(steps) > 1:
        wheel = _under(midi, "cc", number=str(MORPH_CONTROLLER))
        ends = {"translation": "linear", "translationOutputMin": "0", "translationOutputMax": "1"}
        _bind(wheel, type="control", level="ui", position="0", parameter="VALUE", **ends)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _under(parent: Element, kind: str, **attributes: str) -> Element:
    return ElementTree.SubElement(parent, kind, attributes)


def _knob(tab: Element, label: str, *, value: str, largest: str, x: str) -> Element:
    return _under(
        tab, "labeled-knob", x=x, y="100", label=label, type="float", minValue="0", maxValue=largest, value=value
    )


def _bind(control: Element, **attributes: str) -> None:
    _under(control, "binding", **attributes)


def _table(layer: Layer) -> str:
    """Return the volume of a layer as a function of the knob, as ``knob,volume`` points of a piecewise linear curve."""
    before, here, after = (None if value is None else value / LARGEST for value in layer.fades)
    points = {0.0: 0.0, 1.0: 0.0}
    points |= {value: 0.0 for value in (before, after) if value is not None}
    points[here or 0.0] = 1.0
    return ";".join(f"{place:.4f},{volume:g}" for place, volume in sorted(points.items()))


def _zone(region: "Region") -> dict[str, str]:
    key, (softest, loudest) = region.key, region.layer.velocities
    zone = {
        "path": region.file_name,
        "rootNote": str(key.pitch),
        "loNote": str(key.lowest),
        "hiNote": str(key.highest),
        "loVel": str(softest),
        "hiVel": str(loudest),
        "loopEnabled": "false" if region.loop is None else "true",
    }
    if region.loop is not None:
        zone |= {"loopStart": str(region.loop.start), "loopEnd": str(region.loop.end - 1)}
    return zone
