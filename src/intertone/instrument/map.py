"""HTML page with a map of a codec's latent space; a click on a place plays the sound of its code."""

from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.instrument.map_picture import (
    cell_areas,
    notes_png,
    plane_notes_png,
    plane_png,
    shared_limits,
)
from intertone.instrument.mesh import Plane, Range, can_mesh, centres, sample_mesh
from intertone.instrument.note_codes import NoteCodes, draw_notes, encode_notes, near_weights, note_of_each
from intertone.instrument.play import LOUDNESS, play_code, played_conditions, takes_pitch
from intertone.latent import latent_plane
from intertone.page import Block, Command, Picture, Section, SoundMap, Spot, percent, render_page
from intertone.parallel import side_by_side
from intertone.pitch.note import key_name
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)
Progress = Callable[[str, int, int], None]
"""Function that is called with (name of the items, number of finished items, number of all items)."""
CLIP_SECONDS = 1.0
"""Length of each sound on the page, s."""
CELLS = {2: 8, 3: 5}
"""Number of cells with a sound along each side of a plane, by ``latent_dim``: 64 or 125 sounds, at most about 12 MB."""
NOTE_CELLS = 6
"""Number of cells with a sound along each side of a plane of notes."""
PLAYED_NOTES = 60
"""Largest number of notes with a sound, one of each instrument."""
DRAWN_NOTES = 256
"""Largest number of notes that are drawn as points without a sound."""
DEFAULT_PITCH = 60.0
"""Pitch of the sounds where none is given, a MIDI number: middle C."""


@dataclass(frozen=True)
class MapConfig:
    """Settings of a map.

    Attributes:
        pitch: MIDI number of all sounds, for codecs that are conditioned on pitch; notes with a sound are chosen near
            this pitch. None: C4.
        split: Split of the note set whose notes are drawn.
        seed: Seed of random phase and noise.
    """

    pitch: float | None = None
    split: str = "train"
    seed: int = 0


def map_page(
    codec: Codec,
    notes: Notes | None = None,
    *,
    title: str,
    command: str,
    config: MapConfig | None = None,
    progress: Progress = lambda *_: None,
) -> str:
    """Return an HTML page with a map of a codec's latent space.

    If each frame has a latent vector of two or three numbers, the spectra of a mesh of codes are measured, in one plane
    or in five planes. For any other codec, the codes of notes are drawn in the plane of their first two principal
    components.

    Args:
        codec: The codec.
        notes: Notes whose codes are drawn; the map covers the range of these codes. None is allowed only if each frame
            has two or three bounded numbers; the map then covers their whole range.
        title: Name of the codec.
        command: Command that makes the page, which the page shows.
        config: Settings of the map.
        progress: Called during the work.

    Returns:
        The text of a self-contained ``.html`` file.

    Raises:
        InputError: If notes are needed and not given, do not fit the codec or are too few, or the pitch does not fit.
    """
    config = config or MapConfig()
    if not can_mesh(codec) and notes is None:
        raise InputError(
            "notes must be given with --data, unless the code of each spectrum has two or three numbers, "
            f"got latent_dim={codec.model.latent_dim}"
        )
    show = _show_mesh if can_mesh(codec) else _show_notes
    lead, sections = show(codec, notes, config, progress)
    return render_page(f"What sounds where in the code of {title}", sections, lead=[*lead, Command(command)])


def _show_mesh(
    codec: Codec, notes: Notes | None, config: MapConfig, progress: Progress
) -> tuple[list[Block], list[Section]]:
    """Return introduction and sections of the page for a code of two or three numbers per frame."""
    pitch = config.pitch
    if pitch is None and takes_pitch(codec):
        pitch = DEFAULT_PITCH
    conditions = played_conditions(codec, pitch, None)
    codes = None
    if notes is not None:
        rows = draw_notes(notes, DRAWN_NOTES, split=config.split)
        codes = encode_notes(codec, notes, rows, progress=_named(progress, "notes"))
    ranges = _ranges(codec, codes)
    planes = sample_mesh(codec, ranges, conditions=conditions, progress=_named(progress, "codes"))
    n_cells = CELLS[codec.model.latent_dim]
    cells = [_cell_codes(plane, ranges, n_cells) for plane in planes]
    sounds = _play_all(codec, [*torch.cat(cells)], pitch, config.seed, _named(progress, "sounds"))
    members: list[list[int]] = [[] for _ in planes] if codes is None else _members(codes, planes)
    limits = shared_limits(planes)
    blocks: list[Block] = []
    for number, (plane, own, group) in enumerate(zip(planes, cells, members, strict=True)):
        dots = torch.empty(0, 2) if codes is None else codes.means[group]
        png, area = plane_png(plane, ranges, limits, dots, n_cells=n_cells)
        heard = sounds[number * len(own) : (number + 1) * len(own)]
        spots = [
            Spot(f"code {', '.join(f'{value:.3g}' for value in code)}", sound, codec.sample_rate, where)
            for code, sound, where in zip(own.tolist(), heard, cell_areas(area, n_cells), strict=True)
        ]
        blocks.append(SoundMap(_plane_picture(png, plane, n_notes=len(dots)), spots))
    at_pitch = "" if pitch is None else f", decoded at {_pitch_name(pitch)}"
    lead: list[Block] = [
        f"The code of each frame of a sound is {codec.model.latent_dim} numbers with this codec. Every point of the "
        f"pictures below is one such code{at_pitch}; its colour is measured on the spectrum that it is decoded to. "
        f"Click on a cell to hear the code at its centre, held for {CLIP_SECONDS:g} s. {_level()}"
    ]
    sections = [Section("What sounds where", blocks)]
    if codes is not None:
        sections.append(Section("Where notes lie", [_notes_picture(planes, ranges, codes, members, config.split)]))
    return lead, sections


def _ranges(codec: Codec, codes: NoteCodes | None) -> tuple[Range, ...]:
    """Return the range of each latent dimension: that of the codes of notes, or without notes that of the model."""
    if codes is None:
        if codec.model.latent_range is None:
            raise InputError("notes must be given with --data, since this codec's code has no fixed range, got none")
        return (codec.model.latent_range,) * codec.model.latent_dim
    loud = codes.levels > 0.01 * codes.levels.amax()  # 40 dB below the loudest
    heard = codes.latents.movedim(1, -1)[loud].double()
    low, high = heard.quantile(0.01, dim=0), heard.quantile(0.99, dim=0)
    return tuple((a, max(b, a + 1e-6)) for a, b in zip(low.tolist(), high.tolist(), strict=True))


def _cell_codes(plane: Plane, ranges: Sequence[Range], n_cells: int) -> Tensor:
    """Return the codes at the centres of a plane's cells, ``(n_cells², latent_dim)``, in rows from the bottom up."""
    third = [] if plane.third is None else [plane.third]
    return torch.tensor([[x, y, *third] for y in centres(ranges[1], n_cells) for x in centres(ranges[0], n_cells)])


def _plane_picture(png: bytes, plane: Plane, *, n_notes: int) -> Picture:
    side = len(plane.centroid)
    where = "" if plane.third is None else f" where the third number is {plane.third:.3g}"
    caption = (
        f"Spectral centroid{where}, of {side} × {side} codes; on the right the spread around it, and the spectral "
        "flatness: 0 dB is a flat spectrum, −50 dB a few clear partials. Click to listen."
    )
    caption += " Dots: the notes of the next section." if n_notes else ""
    return Picture(png, f"Map of the spectral centroid{where}", caption)


def _members(codes: NoteCodes, planes: Sequence[Plane]) -> list[list[int]]:
    """Return for each plane the indices of the notes that are nearest to it."""
    thirds = [plane.third for plane in planes if plane.third is not None]
    if not thirds:
        return [[*range(len(codes.names))]]
    nearest = (codes.means[:, 2:] - torch.tensor(thirds)).abs().argmin(1)
    return [(nearest == number).nonzero()[:, 0].tolist() for number in range(len(thirds))]


def _notes_picture(
    planes: Sequence[Plane], ranges: Sequence[Range], codes: NoteCodes, members: Sequence[list[int]], split: str
) -> Picture:
    means, families = codes.means, codes.families
    groups = [[families[place] for place in group] for group in members]
    png = plane_notes_png(planes, ranges, [means[group] for group in members], groups)
    which = "; each is drawn in the plane that it lies nearest to" if len(planes) > 1 else ""
    caption = (
        f"Codes of {len(means)} notes of the {split} split by family, means over time weighted by the level{which}. "
        "Lines: equal centroid, an octave apart."
    )
    return Picture(png, f"Map of the codes of {len(means)} notes of {len(set(families))} families", caption)


def _show_notes(
    codec: Codec, notes: Notes | None, config: MapConfig, progress: Progress
) -> tuple[list[Block], list[Section]]:
    """Return introduction and section of the page for a map of the codes of notes."""
    if notes is None:
        raise ValueError("notes must be given")
    key = DEFAULT_PITCH if config.pitch is None else config.pitch
    pitch = key if takes_pitch(codec) else None
    rows = note_of_each(notes, PLAYED_NOTES, split=config.split, pitch=key)
    codes = encode_notes(codec, notes, rows, progress=_named(progress, "notes"))
    points = latent_plane(codes.means[..., None])
    total = float(codes.means.double().var(0).sum()) or 1.0
    shares = [float(points[:, side].double().var()) / total for side in (0, 1)]
    labels = (f"first component, {percent(shares[0])} of the variance", f"second component, {percent(shares[1])}")
    png, area, places, ranges = notes_png(points, codes.names, codes.families, labels=labels, n_cells=NOTE_CELLS)
    # codecs of single frames play the mean code, others the whole code
    played = codes.means if codec.model.frames_per_latent == 1 and codec.model.n_frames is None else codes.latents
    weights = [
        near_weights(points, torch.tensor([x, y]))
        for y in centres(ranges[1], NOTE_CELLS)
        for x in centres(ranges[0], NOTE_CELLS)
    ]
    between = [torch.tensordot(own, played, 1) for own in weights]
    sounds = _play_all(codec, [*between, *played], pitch, config.seed, _named(progress, "sounds"))
    titles = [_mixture_title(own, codes.names) for own in weights]
    titles += [_note_title(notes, row) for row in rows.tolist()]
    areas = [*cell_areas(area, NOTE_CELLS), *places]
    spots = [
        Spot(title, sound, codec.sample_rate, where, listed=number >= len(weights))
        for number, (title, sound, where) in enumerate(zip(titles, sounds, areas, strict=True))
    ]
    sounding = "" if pitch is None else f" All sounds are decoded at {_pitch_name(pitch)}."
    lead: list[Block] = [
        f"Each point is the code of an instrument of the {config.split} split, of its note nearest to "
        f"{_pitch_name(key)}: the mean over time of its vectors of {codec.model.latent_dim} numbers, in the plane of "
        "their first two principal components. Click on a point, or on its name, to hear what its code is decoded to; "
        f"click between points to hear a mixture of the three nearest codes.{sounding} {_level()}"
    ]
    caption = (
        f"Codes of {len(codes.names)} notes, by family. A code is weighted by 1 / distance in a mixture; the crosses "
        f"are the places of the mixtures. The plane shows {percent(sum(shares))} of the variance: notes that lie near "
        "each other here can differ in what it does not show."
    )
    alt = f"Map of the codes of {len(codes.names)} notes of {len(set(codes.families))} families"
    return lead, [Section("Notes", [SoundMap(Picture(png, alt, caption), spots)])]


def _note_title(notes: Notes, row: int) -> str:
    """Return the name of a note's instrument, with its key if that is known."""
    key = f" ({key_name(int(notes.pitch[row]))})" if notes.pitch[row] >= 0 else ""
    return f"{notes.instrument[row]}{key}"


def _mixture_title(weights: Tensor, names: Sequence[str]) -> str:
    """Return the names of the instruments of a mixture with their weights, the largest first."""
    order = [place for place in weights.argsort(descending=True).tolist() if weights[place] > 0]
    return "between: " + ", ".join(f"{names[place]} {percent(float(weights[place]))}" for place in order)


def _play_all(
    codec: Codec, codes: Sequence[Tensor], pitch: float | None, seed: int, progress: Callable[[int, int], None]
) -> list[Tensor]:
    """Return the sound of each code; only one remark is made, on the number of silent sounds."""

    def played(code: Tensor) -> Tensor:
        longest = None
        if code.ndim == 2:
            n_frames = codec.model.n_frames or code.shape[1] * codec.model.frames_per_latent
            longest = codec.representation.samples(n_frames) / codec.sample_rate
        generator = torch.Generator().manual_seed(seed)
        # remarks on single sounds are dropped by running in an empty context
        return Context().run(
            lambda: play_code(
                codec,
                code,
                seconds=CLIP_SECONDS if longest is None else min(CLIP_SECONDS, longest),
                pitch=pitch,
                generator=generator,
            )
        )

    sounds = []
    for sound in side_by_side(played, codes):
        sounds.append(sound)
        progress(len(sounds), len(codes))
    if silent := sum(not bool(sound.any()) for sound in sounds):
        logger.warning("%d of %d codes decode to silence", silent, len(sounds))
    return sounds


def _level() -> str:
    return f"The loudness of the sounds is −{-LOUDNESS:g} LUFS."


def _named(progress: Progress, name: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(name, done, total)


def _pitch_name(pitch: float) -> str:
    return key_name(int(pitch)) if pitch == int(pitch) else f"MIDI number {pitch:g}"
