"""Output files of ``intertone morph``: one sound, or the sounds of ``--steps``."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from intertone.cli import morph_options, options
from intertone.codec import Codec
from intertone.files import staged_folder
from intertone.morphing import (
    Mix,
    MorphConfig,
    Pitch,
    Sources,
    each_mix,
    even_mixes,
    is_far,
    morph_pitch,
    morph_ready,
    note_pitches,
    source_pitches,
)
from intertone.phase import PhaseConfig
from intertone.pitch.note import key_name
from intertone.remark import RemarkLogger

if TYPE_CHECKING:
    from intertone.cli.options import SampleFormat
    from intertone.instrument import Sampler

logger = RemarkLogger(__name__)

STEP = re.compile(r"morph-\d{3}\.wav")
"""File name of a sound of ``--steps``: the number is the mix in percent."""

LEAST_CENTS = 5
"""Deviation from the nearest key, cents, from which on --pitch is suggested and a ``smpl`` chunk stores the cents."""

SHOWN_NOTES = 16
"""Notes of a phrase whose keys are printed."""

N_KEYS = 128
"""Number of MIDI keys, which is what a ``smpl`` chunk can name."""


@dataclass(frozen=True)
class Order:
    """Settings of one run of ``morph``, read from its options.

    Attributes:
        name: Name or folder of the codec, as the user gave it.
        codec: The loaded codec.
        mixes: Mix of each output sound.
        config: Settings of the morph.
        ratios: Mixes of single attributes (harmonics, noise, envelope, pitch) that differ from ``mixes``.
        phase: Settings of the phase estimation.
        seed: Seed of random phase and noise.
        rate: Sample rate of the files, Hz.
        form: Sample format; None: the default of the file type.
    """

    name: str
    codec: Codec
    mixes: list[Mix]
    config: MorphConfig
    ratios: dict[str, Mix]
    phase: PhaseConfig
    seed: int
    rate: int
    form: "SampleFormat | None"

    def read(self, sources: Sequence[Path], out: Path) -> list[Tensor]:
        """Read the sounds, ``(channels, samples)`` each; refuse sounds whose morph could not be written to ``out``."""
        sounds = [options.load_for(self.codec, source) for source in sources]
        options.check_result(out, sounds, self.codec, self.rate, self.form)
        return sounds

    def analysed(self, sounds: Sequence[Tensor]) -> Sources:
        """Return the analysed sounds, from which ``morphs`` makes the results."""
        return morph_ready(self.codec, *sounds, config=self.config, ratios=self.ratios)

    def with_even_mixes(self, sources: Sources) -> "Order":
        """Return the order with its mixes changed to perceptually uniform steps; unchanged without ``--even``."""
        if not self.config.even:
            return self
        mixes = even_mixes(sources, self.mixes, self.config, ratios=self.ratios, phase=self.phase)
        return replace(self, mixes=mixes, config=self.config.model_copy(update={"even": False}))

    def morphs(self, sources: Sources) -> Iterator[Tensor]:
        """Yield the morph of each mix; at the end, warn of mix curves with points after the longest morph."""
        longest, order = 0, self.with_even_mixes(sources)
        generator = torch.Generator().manual_seed(self.seed)
        rendered = each_mix(
            sources, order.mixes, config=order.config, ratios=self.ratios, phase=self.phase, generator=generator
        )
        for sound in rendered:
            longest = max(longest, sound.shape[-1])
            yield sound
        morph_options.warn_of_late_points(self.mixes[0], self.ratios, longest / self.codec.sample_rate)


def morph_one(order: Order, sources: Sequence[Path], out: Path, plot: Path | None) -> tuple[dict[str, Any], str]:
    """Write one morph, and its picture unless ``plot`` is None.

    Returns:
        The content of the JSON output, and the text that is printed without ``--json``.
    """
    sounds = order.read(sources, out)
    analysed = order.analysed(sounds)
    played = order.with_even_mixes(analysed)
    (sound,) = played.morphs(analysed)
    name = f"mix {morph_options.mix_name(order.mixes[0])}"
    middle = {name: sound / max(1.0, float(sound.abs().max()))}
    with options.drawing(plot, _in_picture_order(_named(sources, sounds), middle), order.codec.sample_rate):
        content, line, (sampler,) = _pitches(played, analysed)
        written = options.save_result(out, sound, order.codec.sample_rate, order.rate, order.form, sampler=sampler)
    lines = [*line, f"wrote {written}, {name}", *([] if plot is None else [f"wrote {plot}"])]
    return {"outputs": [str(out)], **content}, "\n".join(lines)


def morph_row(
    order: Order,
    sources: Sequence[Path],
    out: Path,
    plot: Path | None,
    older: Sequence[str],
    *,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Any], str]:
    """Write the morphs of all mixes into a folder, and a picture of up to eleven of them.

    Args:
        order: Settings of the run.
        sources: Files of the sounds.
        out: Folder for the morphs.
        plot: File of the picture; None: no picture.
        older: Names of files of an earlier run in the folder, which are removed.
        progress: Called with (number of finished sounds, number of all sounds).

    Returns:
        The same as ``morph_one``.
    """
    steps, own_rate = len(order.mixes), order.codec.sample_rate
    names = [f"morph-{round(100 * step / (steps - 1)):03d}.wav" for step in range(steps)]
    sounds = order.read(sources, out / names[0])
    analysed = order.analysed(sounds)
    played = order.with_even_mixes(analysed)
    ends_are_sources = (
        analysed.method.takes.exact and played.config.network != "full"
    )  # at weight 1; they are drawn anyway
    drawn = [name for name in names if steps <= 11 or name[6:9] in ("025", "050", "075")] if plot else []
    drawn = [name for name in drawn if not (ends_are_sources and name in (names[0], names[-1]))]
    with ExitStack() as last, staged_folder(out, older=older) as folder:
        rendered = zip(names, _counted(played.morphs(analysed), steps, progress), strict=True)
        content, line, samplers = _pitches(played, analysed)
        chunk_of = dict(zip(names, samplers, strict=True)).get
        written = options.save_together(
            folder, rendered, own_rate, order.rate, order.form, keep=set(drawn), sampler=chunk_of
        )
        titles = {name: morph_options.mix_name(mix) for name, mix in zip(names, order.mixes, strict=True)}
        middle = {f"mix {titles[name]}": written[name] for name in drawn}
        # the picture is drawn here and moved to its place when the folder of sounds is complete
        last.enter_context(options.drawing(plot, _in_picture_order(_named(sources, sounds), middle), own_rate))
    lines = [*line, f"wrote {steps} sounds to {out}: {names[0]} … {names[-1]}"]
    lines += [] if plot is None else [f"wrote {plot}"]
    return {"outputs": [str(out / name) for name in names], **content}, "\n".join(lines)


def _counted(sounds: Iterator[Tensor], total: int, progress: Callable[[int, int], None]) -> Iterator[Tensor]:
    for number, sound in enumerate(sounds):
        progress(number + 1, total)
        yield sound


def found_pitches(sources: Sources) -> tuple[dict[str, Any], list[str]]:
    """Return the pitches of sounds or of their notes, as JSON content and as lines of text; empty without a pitch."""
    phrases, pitches = note_pitches(sources), source_pitches(sources)
    if phrases is not None:
        lines = [f"notes of {chr(ord('A') + index)}: {_keys(notes)}" for index, notes in enumerate(phrases)]
        return {"notes": [[_content(pitch) for pitch in notes] for notes in phrases]}, lines
    if pitches is None:
        return {}, []
    text = " · ".join(f"{chr(ord('A') + index)} {pitch}" for index, pitch in enumerate(pitches))
    return {"pitches": [_content(pitch) for pitch in pitches]}, [f"pitch: {text}"]


def _pitches(order: Order, sources: Sources) -> tuple[dict[str, Any], list[str], "list[Sampler | None]"]:
    """Return the pitches of sounds and morphs as JSON content and lines of text, and the morphs' ``smpl`` chunks."""
    pitches, (content, lines) = source_pitches(sources), found_pitches(sources)
    if pitches is None:
        return content, lines, [None] * len(order.mixes)
    (text,) = lines
    found = [morph_pitch(sources, mix, config=order.config, ratios=order.ratios) for mix in order.mixes]
    content["morph_pitches"] = [pitch and _content(pitch) for pitch in found]
    samplers = [None if each is None else _sampler(each) for each in found]
    pitch = found[0]
    if any(each is not None and is_far(each, pitches) for each in found):
        logger.warning("a pitch of the morph is more than an octave away from the sounds")
    if pitch is None or any(each != pitch for each in found):
        return content, lines, samplers
    text += f" → {pitch}"
    if abs(pitch.cents) >= LEAST_CENTS and order.config.pitch == "glide":
        text += f"; --pitch {key_name(pitch.key).replace('♯', '#')} transposes it to the key"
    return content, [text], samplers


def _keys(notes: Sequence[Pitch]) -> str:
    """Return the keys of some notes, ``C4 E4 G4``; of many notes the first ones."""
    more = f" … ({len(notes)} notes)" if len(notes) > SHOWN_NOTES else ""
    return " ".join(key_name(note.key) for note in notes[:SHOWN_NOTES]) + more


def _sampler(pitch: Pitch) -> "Sampler | None":
    """Return the content of the ``smpl`` chunk for a pitch, or None where a chunk cannot name its key.

    The chunk stores cents above a key. A pitch less than ``LEAST_CENTS`` from a key is stored as that key with 0 cents:
    as the key below with 95 cents or more, it would sound a semitone too high in a sampler that ignores cents.
    """
    from intertone.instrument import Sampler

    if abs(pitch.cents) < LEAST_CENTS:
        root, cents = pitch.key, 0
    else:
        root, cents = (pitch.key, pitch.cents) if pitch.cents > 0 else (pitch.key - 1, 100 + pitch.cents)
    return Sampler(root, cents) if 0 <= root < N_KEYS else None


def _content(pitch: Pitch) -> dict[str, float | str | int]:
    return {"hz": round(pitch.hz, 3), "key": key_name(pitch.key), "midi": pitch.key, "cents": pitch.cents}


def _named(sources: Sequence[Path], sounds: Sequence[Tensor]) -> dict[str, Tensor]:
    return {
        f"{chr(ord('A') + index)}: {path.name}": sound
        for index, (path, sound) in enumerate(zip(sources, sounds, strict=True))
    }


def _in_picture_order(sources: dict[str, Tensor], middle: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return all sounds in the order of the picture: morphs between two sources, or after three sources and more."""
    if len(sources) > 2:
        return {**sources, **middle}
    (first, sound), (second, other) = sources.items()
    return {first: sound, **middle, second: other}
