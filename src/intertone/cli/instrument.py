"""``intertone keys``: a sampled instrument with one sound, or a morph of several sounds, on every key."""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli import morph_options, options
from intertone.cli.progress import elapsed, late_bar
from intertone.errors import InputError
from intertone.files import disk_errors, staged_folder
from intertone.remark import RemarkLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from intertone.files import Json
    from intertone.instrument import Key, Region

MAP, PRESET = "instrument.sfz", "instrument.dspreset"

RELEASE_SECONDS = 0.3
"""Release time in the instrument's maps where --seconds is not given, s: fade-out of a key that is released early."""

MOST_VELOCITIES, MOST_LAYERS = 5, 9
"""Largest numbers of velocity layers and of morph layers of a key. With both, a key has 45 files."""

HEARD_DB = 1.0
"""Smallest difference in timbre between softest and loudest layer without a warning, as mean log-mel error, dB."""


class FileFormat(StrEnum):
    """File type and sample format: WAV or FLAC with 24 bits, or WAV with the named sample format."""

    wav = "wav"
    flac = "flac"
    pcm16 = "pcm16"
    pcm24 = "pcm24"
    pcm32 = "pcm32"
    float32 = "float32"

    @property
    def container(self) -> str:
        """Suffix of the files, with the dot."""
        return ".flac" if self is FileFormat.flac else ".wav"

    @property
    def samples(self) -> options.SampleFormat | None:
        """Sample format; None: the default of the file type, 24 bits."""
        return None if self in (FileFormat.wav, FileFormat.flac) else options.SampleFormat(self.value)


def keys(
    context: typer.Context,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the instrument.")],
    sources: Annotated[
        list[Path] | None, typer.Argument(metavar="A [B …]", help="One sound, or several to be morphed.")
    ] = None,
    sample: Annotated[
        list[str] | None,
        typer.Option(
            "--sample",
            metavar="KEY=FILE",
            help="Instead of A: a recording of the instrument and its key, C3=a.wav; given once for each recording. "
            "Keys between two recordings are morphed from both.",
        ),
    ] = None,
    mix: morph_options.MixOption = None,
    morph_layers: Annotated[
        int,
        typer.Option(
            "--morph-layers",
            min=1,
            max=MOST_LAYERS,
            help="Number of files of each key from A to B, between which controller 1 (the modulation wheel) fades.",
        ),
    ] = 1,
    velocities: Annotated[
        int,
        typer.Option(
            "--velocities",
            min=1,
            max=MOST_VELOCITIES,
            help="Number of velocity layers of each key. The network changes their timbre; the given sounds are the "
            "loudest layer.",
        ),
    ] = 1,
    range: Annotated[str, typer.Option("--range", help="Lowest and highest key, as notes or MIDI numbers.")] = "C2:C7",
    every: Annotated[int, typer.Option("--every", min=1, max=127, help="Make a file for every n-th key only.")] = 1,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            min=0.1,
            max=120,
            help="Time from the start to the release; the sustain is made this long and looped. (default: unchanged)",
        ),
    ] = None,
    tune: Annotated[
        bool,
        typer.Option(
            "--tune",
            help="Tune the mean pitch of the sustain to the key. (default: the median pitch of the whole note)",
        ),
    ] = False,
    mix_harmonics: morph_options.HarmonicsOption = None,
    mix_noise: morph_options.NoiseOption = None,
    mix_envelope: morph_options.EnvelopeOption = None,
    network: morph_options.NetworkOption = None,
    strength: morph_options.StrengthOption = None,
    register: morph_options.RegisterOption = None,
    seed: options.SeedOption = 0,
    codec: options.CodecOption = options.DEFAULT_CODEC,
    device: options.DeviceOption = "cpu",
    sample_rate: options.RateOption = None,
    format: Annotated[
        FileFormat,
        typer.Option(
            "--format",
            help="wav: WAV, 24 bit; flac: FLAC, 24 bit, which cannot store loop points, so that only the maps hold "
            "them; others: WAV with this sample format.",
        ),
    ] = FileFormat.wav,
    force: options.ForceOption = False,
    json: options.JsonOption = False,
) -> None:
    """Make an instrument: a sound, or a morph of several, on every key, with maps for SFZ and Decent Sampler."""
    report = options.Report(context, as_json=json)
    given = {"--mix": mix, "--mix-harmonics": mix_harmonics, "--mix-noise": mix_noise, "--mix-envelope": mix_envelope}
    _check_options(sources or [], sample or [], given, morph_layers, velocities, network)
    recorded, sources = _recordings(sample or [], sources or [])
    options.check_inputs(sources)
    options.check_kind(Path(f"key{format.container}"), sample_rate, format.samples)
    used = morph_options.read_mix(mix, len(sources))
    ratios = morph_options.read_ratios(len(sources), harmonics=mix_harmonics, noise=mix_noise, envelope=mix_envelope)

    from intertone.cli.morph_files import found_pitches
    from intertone.codec import Codec
    from intertone.instrument import (
        Keyboard,
        choose_keys,
        decent_text,
        from_onset,
        layers_of,
        nearest_recordings,
        parse_range,
        sfz_text,
        some_of,
    )
    from intertone.morphing import analyse_sounds, choose_method

    wanted = choose_keys(*parse_range(range), every=every)
    older = _check_folder(out, sources, force=force)
    loaded = Codec.load(codec, device=device)
    if not choose_method(loaded).takes.pitch:
        raise InputError(f"an instrument must have a codec that analyses pitch, got {codec}, a spectrogram codec")
    if velocities > 1 and "velocity" not in loaded.model.decoder_needs:
        raise InputError(f"--velocities must have a codec that is conditioned on velocity, got {codec}")
    config = morph_options.read_config(
        loaded,
        pitch=None,
        align=None,
        network=network,
        strength=strength,
        register=register,
        ratios=ratios,
        hold_seconds=seconds,
    )
    rate = loaded.sample_rate if sample_rate is None else sample_rate
    # the files of keys begin at the onset, so the seconds of mix curves must count from the onset too
    with late_bar("analysis"):
        sounds = [from_onset(options.load_for(loaded, source), loaded.sample_rate) for source in sources]
        analysed = analyse_sounds(loaded, *sounds, pitched_for="a keyboard", single_for="a keyboard", by_notes=True)
    content, lines = found_pitches(analysed)
    _warn_of_keys(recorded, [pitch["midi"] for pitch in content["pitches"]], sources)
    layers = layers_of(velocities, morph_layers)

    keyboard_of = partial(
        Keyboard, layers=layers, config=config, ratios=ratios, sample_rate=rate, seed=seed, tune=tune,
        container=format.container,
    )  # fmt: skip
    keyboard = keyboard_of(analysed, mix=used)

    def rendered(key: "Key") -> "list[tuple[Tensor, Region]]":
        if not recorded:
            return keyboard.render(key)
        near = nearest_recordings(recorded, key.pitch)
        return keyboard_of(some_of(analysed, [*near]), mix=tuple(near.values())).render(key)

    made = _Made({}, [])
    with staged_folder(out, older=older) as folder:
        options.save_together(
            folder, _render(wanted, rendered, made, rate), rate, rate, format.samples,
            sampler=lambda name: made.regions[name].sampler,
        )  # fmt: skip
        done = [*made.regions.values()]
        release = RELEASE_SECONDS
        if seconds is not None:
            release = max(region.samples for region in done) / rate - seconds
        with disk_errors(folder):
            (folder / MAP).write_text(sfz_text(done, release_seconds=release), encoding="utf-8")
            (folder / PRESET).write_text(decent_text(done, release_seconds=release), encoding="utf-8")
    morph_options.warn_of_late_points(used, ratios, max(region.samples for region in done) / rate)
    names = [*made.regions]
    count = f"{len(wanted)} keys" if len(layers) == 1 else f"{len(wanted)} keys with {len(layers)} files each"
    text = f"wrote {count} to {out}: {names[0]} … {names[-1]}, {MAP} and {PRESET}"
    if seconds is None:
        text += "; each file is played once, --seconds makes held keys loop"
    took = elapsed()
    result = {
        "outputs": [str(out / name) for name in (*names, MAP, PRESET)],
        "mix": None if recorded or morph_layers > 1 else morph_options.mix_content(used),
        "keys": [_content(region, rate) for region in done],
        "velocity_difference_db": [round(value, 2) for value in made.differences],
        "codec": codec,
        "seed": seed,
        "seconds": round(took, 3),
        **content,
    }
    report.finish(result, "\n".join([*lines, *_summary(made, tune=tune), f"{text} ({took:.1f} s)"]))


@dataclass
class _Made:
    """Facts about the files that have been rendered.

    Attributes:
        regions: Region of each file, by file name.
        differences: Log-mel error between the softest and the loudest velocity layer of each key, dB.
    """

    regions: "dict[str, Region]"
    differences: list[float]


def _render(
    wanted: "list[Key]", rendered: "Callable[[Key], list[tuple[Tensor, Region]]]", made: _Made, rate: int
) -> "Iterator[tuple[str, Tensor]]":
    """Yield name and sound, ``(channels, samples)``, of each file; add its region and differences to ``made``."""
    from rich.console import Console
    from rich.progress import track

    from intertone.audio import resample
    from intertone.downmix import mix_to_mono
    from intertone.metrics import log_mel_error
    from intertone.parallel import side_by_side

    console = Console(stderr=True)
    found = track(
        side_by_side(rendered, wanted), "keys", total=len(wanted), console=console, transient=True,
        disable=not console.is_terminal,
    )  # fmt: skip
    for layers in found:
        (soft, first), (loud, last) = layers[0], layers[len(layers) - layers[0][1].layer.n_steps]
        if first.layer.velocity != last.layer.velocity:
            softest, loudest = (resample(mix_to_mono(sound), rate, 16000) for sound in (soft, loud))
            made.differences.append(float(log_mel_error(softest, loudest)))
        for sound, region in layers:
            for problem in region.problems:
                RemarkLogger(__name__).warning("%s: %s", region.file_name, problem)
            made.regions[region.file_name] = region
            yield region.file_name, sound


def _summary(made: _Made, *, tune: bool) -> list[str]:
    """Return lines on the tuning and the velocity layers; log files without a pitch and layers that sound alike."""
    lines = []
    if tune:
        cents = [region.detuning for region in made.regions.values() if region.detuning is not None]
        if cents:
            span = f"{_signed(min(cents))} to {_signed(max(cents))} ¢"
            lines.append(f"tuned: the sustain was {span} from the pitch of its key before the correction")
        unknown = [name for name, region in made.regions.items() if region.detuning is None]
        if unknown:
            RemarkLogger(__name__).warning("not tuned, since no pitch was found near the key: %s", ", ".join(unknown))
    if made.differences:
        span = f"{min(made.differences):.1f} to {max(made.differences):.1f} dB"
        lines.append(f"velocities: the softest layer differs from the loudest by {span} in timbre")
        if max(made.differences) < HEARD_DB:
            RemarkLogger(__name__).warning("the velocity layers sound alike: the network hardly changes the timbre")
    return lines


def _signed(cents: float) -> str:
    return f"{cents:+.1f}".replace("-", "−")


def _content(region: "Region", rate: int) -> "dict[str, Json]":
    key, loop, layer = region.key, region.loop, region.layer
    content: dict[str, Json] = {
        "file": region.file_name,
        "pitch": key.pitch,
        "lowest": key.lowest,
        "highest": key.highest,
        "seconds": round(region.samples / rate, 3),
        "loop": None if loop is None else [loop.start, loop.end],
        "problems": list(region.problems),
    }
    if layer.n_velocities > 1:
        content["velocities"] = list(layer.velocities)
    if layer.n_steps > 1:
        content["mix"] = layer.ratio
    if region.detuning is not None:
        content["detuning_cents"] = round(region.detuning, 2)
    return content


def _check_options(
    sources: list[Path],
    recordings: list[str],
    mixes: dict[str, str | None],
    morph_layers: int,
    velocities: int,
    network: morph_options.NetworkUse | None,
) -> None:
    """Refuse options that contradict one another."""
    if recordings and (sources or morph_layers > 1):
        raise InputError("--sample must be used without A and without --morph-layers, got both")
    if not recordings:
        morph_options.check_sounds(len(sources), least=1)
    if morph_layers > 1 and len(sources) != 2:
        raise InputError(f"--morph-layers must be used with two sounds, got {len(sources)}")
    for name, value in mixes.items():
        if value is not None and (recordings or morph_layers > 1):
            raise InputError(f"{name} must be used without --sample and --morph-layers, got both")
    if velocities > 1 and network is morph_options.NetworkUse.none:
        raise InputError("--velocities must be used with a network, got --network none")


def _recordings(words: list[str], sources: list[Path]) -> tuple[list[int], list[Path]]:
    """Return keys (MIDI numbers) and files of ``--sample``; without it, no keys and ``sources``."""
    if not words:
        return [], sources
    from intertone.instrument import parse_recording

    recordings = [parse_recording(word) for word in words]
    recorded = [key for key, _ in recordings]
    morph_options.check_sounds(len(recorded), least=1)
    if len(set(recorded)) < len(recorded):
        raise InputError(f"every --sample must have a different key, got {' and '.join(words)}")
    return recorded, [path for _, path in recordings]


def _warn_of_keys(recorded: list[int], found: list[int], sources: list[Path]) -> None:
    """Warn of recordings whose measured pitch differs from the key of their ``--sample``; all are MIDI numbers."""
    from intertone.pitch.note import key_name

    for key, heard, source in zip(recorded, found, sources, strict=False):
        if key != heard:
            text = "%s was given as %s, but its pitch is %s; it is transposed"
            RemarkLogger(__name__).warning(text, source.name, key_name(key), key_name(heard))


def _check_folder(out: Path, sources: list[Path], *, force: bool) -> list[str]:
    """Refuse a folder that holds unknown files or an input; return the names of an earlier instrument's files."""
    from intertone.instrument import FILE_NAME

    files = {path.name for path in out.glob("*") if FILE_NAME.fullmatch(path.name)}
    older = options.check_own_output(out, {MAP, PRESET, *files}, "an earlier instrument's", force=force)
    for source in sources:
        if source.resolve().parent == out.resolve():
            raise InputError(f"the output must not replace an input, got {source} inside {out}")
    return older
