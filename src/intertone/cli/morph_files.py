"""Files of morphs: one sound, a row of steps, or all pairs of a folder."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from intertone.audio import SUFFIXES, audio_extent
from intertone.cli import morph_options, options
from intertone.cli.progress import progress_bar
from intertone.codec import Codec
from intertone.errors import InputError
from intertone.files import staged_folder, write_json
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
    source_pitches,
)
from intertone.phase import PhaseConfig
from intertone.pitch.note import key_name
from intertone.remark import RemarkLogger

if TYPE_CHECKING:
    from intertone.cli.options import SampleFormat

logger = RemarkLogger(__name__)

STEP = re.compile(r"morph-\d{3}\.wav")
"""Name of a sound of --steps."""

RECORD = "morphs.json"
"""File of --pairs with the settings and what was made of which sounds."""

LEAST_CENTS = 5
"""Cents from a key from which on the way to snap to it is printed."""


@dataclass(frozen=True)
class Order:
    """Settings of one run of ``morph``, read from its options.

    Attributes:
        name: The codec, as it was named.
        codec: The codec.
        mixes: One for each sound that is made of some sounds.
        config: Settings of the morph.
        ratios: Ratios of single attributes.
        phase: How a phase is estimated.
        seed: Seed of random phase and noise.
        rate: Sample rate of the files, Hz.
        form: Format of the samples.
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
        """Read the sounds, and refuse those whose morph could not be written to ``out``."""
        sounds = [options.load_for(self.codec, source) for source in sources]
        options.check_result(out, sounds, self.codec, self.rate, self.form)
        return sounds

    def analysed(self, sounds: Sequence[Tensor]) -> Sources:
        """Return the sounds as they are morphed."""
        return morph_ready(self.codec, *sounds, config=self.config, ratios=self.ratios)

    def bent(self, sources: Sources) -> "Order":
        """Return what is asked for with mixes that make even steps, where these are asked for."""
        if not self.config.even:
            return self
        mixes = even_mixes(sources, self.mixes, self.config, ratios=self.ratios, phase=self.phase)
        return replace(self, mixes=mixes, config=self.config.model_copy(update={"even": False}))

    def morphs(self, sources: Sources) -> Iterator[Tensor]:
        """Yield the morphs, and warn of curves that go on after the longest of them."""
        longest, bent = 0, self.bent(sources)
        generator = torch.Generator().manual_seed(self.seed)
        rendered = each_mix(
            sources, bent.mixes, config=bent.config, ratios=self.ratios, phase=self.phase, generator=generator
        )
        for sound in rendered:
            longest = max(longest, sound.shape[-1])
            yield sound
        morph_options.warn_of_late_points(self.mixes[0], self.ratios, longest / self.codec.sample_rate)


def morph_one(order: Order, sources: Sequence[Path], out: Path, plot: Path | None) -> tuple[dict[str, Any], str]:
    """Write one morph, and a picture where one is wanted.

    Returns:
        What JSON shows, and what people read.
    """
    sounds = order.read(sources, out)
    analysed = order.analysed(sounds)
    played = order.bent(analysed)
    (sound,) = played.morphs(analysed)
    name = f"mix {morph_options.mix_name(order.mixes[0])}"
    middle = {name: sound / max(1.0, float(sound.abs().max()))}
    with options.drawing(plot, _between(_named(sources, sounds), middle), order.codec.sample_rate):
        written = options.save_result(out, sound, order.codec.sample_rate, order.rate, order.form)
    content, line = _pitches(played, analysed)
    lines = [*line, f"wrote {written}, {name}", *([] if plot is None else [f"wrote {plot}"])]
    return {"outputs": [str(out)], **content}, "\n".join(lines)


def morph_row(
    order: Order, sources: Sequence[Path], out: Path, plot: Path | None, older: Sequence[str]
) -> tuple[dict[str, Any], str]:
    """Write morphs at all mixes into a folder, and a picture of some.

    Args:
        order: What is asked for.
        sources: The sounds.
        out: The folder.
        plot: File of the picture.
        older: Files of an earlier row in the folder, which are removed.

    Returns:
        As ``morph_one``.
    """
    steps, own_rate = len(order.mixes), order.codec.sample_rate
    names = [f"morph-{round(100 * step / (steps - 1)):03d}.wav" for step in range(steps)]
    sounds = order.read(sources, out / names[0])
    analysed = order.analysed(sounds)
    played = order.bent(analysed)
    drawn = [] if plot is None else [name for name in names if steps <= 11 or name[6:9] in ("025", "050", "075")]
    with ExitStack() as last, staged_folder(out, older=older) as folder:
        rendered = zip(names, played.morphs(analysed), strict=True)
        written = options.save_together(folder, rendered, own_rate, order.rate, order.form, keep=set(drawn))
        titles = {name: morph_options.mix_name(mix) for name, mix in zip(names, order.mixes, strict=True)}
        middle = {f"mix {titles[name]}": written[name] for name in drawn}
        # drawn here, put in its place after the sounds
        last.enter_context(options.drawing(plot, _between(_named(sources, sounds), middle), own_rate))
    content, line = _pitches(played, analysed)
    lines = [*line, f"wrote {steps} sounds to {out}: {names[0]} … {names[-1]}"]
    lines += [] if plot is None else [f"wrote {plot}"]
    return {"outputs": [str(out / name) for name in names], **content}, "\n".join(lines)


def find_pairs(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return the pairs of a folder by the name of their morph.

    Where files are called ``NAME-a`` and ``NAME-b`` these are the pairs, else every sound with every other.

    Raises:
        InputError: If the folder holds no pair, or two pairs would have one name.
    """
    if not folder.is_dir():
        raise InputError(f"--pairs must be a folder, got {folder}")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    ends = {path.stem: path for path in files}
    if len(ends) < len(files):
        raise InputError(f"the sounds of --pairs must have different names before their suffixes, got {folder}")
    firsts = [stem.removesuffix("-a") for stem in ends if stem.endswith("-a")]
    pairs = {name: (ends[f"{name}-a"], ends[f"{name}-b"]) for name in firsts if f"{name}-b" in ends}
    if not pairs:
        pairs = {f"{first.stem}+{second.stem}": (first, second) for first, second in combinations(files, 2)}
    if not pairs:
        raise InputError(f"--pairs must hold two sounds or more, got {len(files)} in {folder}")
    return pairs


def morph_pairs(order: Order, folder: Path, out: Path, *, force: bool) -> tuple[dict[str, Any], str, bool]:
    """Write the morph of every pair of a folder; a run that was stopped goes on.

    A pair that cannot be morphed is left out with a warning.

    Args:
        order: What is asked for.
        folder: The sounds; see ``find_pairs``.
        out: The folder of the morphs.
        force: Whether morphs of other settings may be replaced.

    Returns:
        As ``morph_one``, and whether every pair was morphed.

    Raises:
        InputError: If the folder holds other things than morphs of these settings.
    """
    pairs = find_pairs(folder)
    settings = {
        "codec": order.name,
        "weights": weights_digest(order.codec.model),
        "mix": morph_options.mix_content(order.mixes[0]),
        "ratios": {name: morph_options.mix_content(mix) for name, mix in order.ratios.items()},
        "morph": order.config.model_dump(),
        "phase": order.phase.model_dump(),
        "seed": order.seed,
        "sample_rate": order.rate,
        "format": order.form and order.form.value,
    }
    record = _earlier(out, settings, force=force)
    names = {name: f"{name}.wav" for name in pairs}
    foreign = sorted(each for each in names.values() if each not in record and (out / each).exists())
    options.check_older(out, foreign, replace=force)
    out.mkdir(parents=True, exist_ok=True)
    made, kept, failed = 0, 0, dict[str, str]()
    broken = _unreadable({source for sources in pairs.values() for source in sources})
    with progress_bar("pairs", total=len(pairs)) as progress:
        for number, (name, sources) in enumerate(pairs.items()):
            path = out / names[name]
            if unread := [source for source in sources if source in broken]:
                failed[name] = broken[unread[0]]
                progress(number + 1, len(pairs))
                continue
            try:
                hashes = [_hash(source) for source in sources]
                if path.is_file() and record.get(path.name, {}).get("hashes") == hashes:
                    kept += 1
                else:
                    # it stands in the record before it stands in the folder, so that a stopped run knows its own
                    record[path.name] = {"sounds": [source.name for source in sources], "hashes": None}
                    write_json(out / RECORD, {"settings": settings, "morphs": record})
                    content, _ = morph_one(order, sources, path, None)
                    facts = {key: value for key, value in content.items() if key != "outputs"}
                    record[path.name] |= {"hashes": hashes, **facts}
                    made += 1
            except InputError as error:
                if not path.exists():
                    record.pop(path.name, None)
                failed[name] = str(error)
                logger.warning("%s is left out: %s", name, error)
            progress(number + 1, len(pairs))
    for name in set(record) - set(names.values()) if force else ():
        (out / name).unlink(missing_ok=True)
        del record[name]
    write_json(out / RECORD, {"settings": settings, "morphs": record})
    outputs = [str(out / name) for pair, name in names.items() if pair not in failed]
    counts = [f"{made} new", *([f"{kept} kept"] if kept else []), *([f"{len(failed)} left out"] if failed else [])]
    text = f"wrote {out}: {', '.join(counts)} of {len(pairs)} pairs, {RECORD}"
    return {"outputs": outputs, "left_out": failed}, text, not failed


def _earlier(out: Path, settings: Mapping[str, Any], *, force: bool) -> dict[str, dict[str, Any]]:
    """Return what an earlier run made, by name; of other settings with ``force`` only, and then none of it counts."""
    record = out / RECORD
    options.check_own_output(out, (), "a folder of --pairs", mark=RECORD)
    if not record.exists():
        return {}
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        found, morphs = content["settings"], {Path(name).name: dict(each) for name, each in content["morphs"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found, morphs = None, {}
    if found == json.loads(json.dumps(settings)) and not force:
        return morphs
    older = sorted(name for name in morphs if (out / name).exists())
    options.check_older(out, older or [RECORD], replace=force)
    return {name: {**each, "hashes": None} for name, each in morphs.items()}


def weights_digest(model: torch.nn.Module) -> str:
    """Return a hash of a model's weights, so that a codec that was trained on is known as another one."""
    digest = hashlib.sha256()
    for weight in model.state_dict().values():
        digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _unreadable(sources: set[Path]) -> dict[Path, str]:
    """Return the sounds that cannot be read, and why, with one warning for each."""
    broken: dict[Path, str] = {}
    for source in sorted(sources):
        try:
            audio_extent(source)
        except InputError as error:
            broken[source] = str(error)
            logger.warning("all pairs of %s are left out: %s", source.name, error)
    return broken


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"a sound file must be readable, got {error.strerror} for {path}") from error


def found_pitches(sources: Sources) -> tuple[dict[str, Any], list[str]]:
    """Return the pitches of sounds, as JSON shows them and as people read them; nothing where they have none."""
    pitches = source_pitches(sources)
    if pitches is None:
        return {}, []
    text = " · ".join(f"{chr(ord('A') + index)} {pitch}" for index, pitch in enumerate(pitches))
    return {"pitches": [_content(pitch) for pitch in pitches]}, [f"pitch: {text}"]


def _pitches(order: Order, sources: Sources) -> tuple[dict[str, Any], list[str]]:
    """Return the pitches of the sounds and of the one morph, as JSON shows them and as people read them."""
    pitches, (content, lines) = source_pitches(sources), found_pitches(sources)
    if pitches is None:
        return content, lines
    (text,) = lines
    found = [morph_pitch(sources, mix, config=order.config, ratios=order.ratios) for mix in order.mixes]
    content["morph_pitches"] = [pitch and _content(pitch) for pitch in found]
    pitch = found[0]
    if any(each is not None and is_far(each, pitches) for each in found):
        logger.warning("a pitch of the morph is more than an octave away from the sounds")
    if len(found) > 1 or pitch is None:
        return content, lines
    text += f" → {pitch}"
    if abs(pitch.cents) >= LEAST_CENTS and order.config.pitch == "glide":
        text += f"; --pitch {key_name(pitch.key).replace('♯', '#')} snaps to the key"
    return content, [text]


def _content(pitch: Pitch) -> dict[str, float | str | int]:
    return {"hz": round(pitch.hz, 3), "key": key_name(pitch.key), "midi": pitch.key, "cents": pitch.cents}


def _named(sources: Sequence[Path], sounds: Sequence[Tensor]) -> dict[str, Tensor]:
    return {
        f"{chr(ord('A') + index)}: {path.name}": sound
        for index, (path, sound) in enumerate(zip(sources, sounds, strict=True))
    }


def _between(sources: dict[str, Tensor], middle: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put what was made before the last of two sounds, or after several."""
    if len(sources) > 2:
        return {**sources, **middle}
    (first, sound), (second, other) = sources.items()
    return {first: sound, **middle, second: other}
