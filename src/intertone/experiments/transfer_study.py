"""Style transfers as experiments: rendered sounds, transfers whose losses and sounds are stored, and their figures."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from intertone.audio import load_audio, remove_dc, save_audio
from intertone.bench.cache import source_digest
from intertone.bench.transfer.melody import MelodyNote
from intertone.bench.transfer.methods import TRANSFER_CODE
from intertone.bench.transfer.pairs import LEVEL, SAMPLE_RATE, play_melody
from intertone.data.soundfont import find_soundfont
from intertone.data.synth import Synth, synthesis_rate
from intertone.experiments.finding import Verdict
from intertone.experiments.store import Key, remembered
from intertone.experiments.write_up import make_folders
from intertone.metrics import (
    chroma_similarity,
    envelope_correlation,
    flatness_ratio,
    mean_flatness,
    mfcc_distance,
    noise_floor_lift,
    onset_f1,
)
from intertone.page import Clip, Listening
from intertone.plot import spectrogram_png
from intertone.remark import RemarkLogger
from intertone.transfer import Step, TransferConfig, transfer
from intertone.transfer.extractor import CodecExtractorConfig, RecogniserExtractorConfig
from intertone.transfer.objective import TermConfig

logger = RemarkLogger(__name__)

OnCount = Callable[[str, int, int], None]
"""Function that is called after each evaluation of the loss with title, evaluations done, and iterations in all."""

RESULT = "result"
"""Name of the final sound of a transfer, the one with the smallest loss."""

VELOCITY = 90
"""Velocity of all rendered notes; the shipped networks are trained on notes of 60 and 110."""


@dataclass(frozen=True)
class Score:
    """Notes of one program of a soundfont.

    Attributes:
        program: MIDI program in bank 0.
        notes: MIDI pitch, start and duration of each note; times are shares of the sound's length.
    """

    program: int
    notes: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True)
class TransferExperiment:
    """One transfer.

    Attributes:
        name: Name of the transfer's files.
        title: Title in tables and pages.
        content: Name of the content sound.
        style: Name of the style sound.
        config: Settings of the transfer system.
        heard: Name of an intermediate sound that is stored → iteration after which it is taken; 0: the initial sound.
    """

    name: str
    title: str
    content: str
    style: str
    config: TransferConfig
    heard: Mapping[str, int]


@dataclass(frozen=True)
class TransferRecord:
    """Losses and time of a transfer.

    Attributes:
        losses: Loss of every evaluation; with Adam, evaluation n follows n iterations.
        seconds: Time of the whole transfer.
    """

    losses: tuple[float, ...]
    seconds: float

    def ratio(self, iteration: int) -> float:
        """Return the loss after a number of iterations, divided by the initial loss."""
        return self.losses[iteration] / self.losses[0]


@dataclass(frozen=True, eq=False)
class Transferred:
    """A finished transfer with its sounds, all at 16 kHz.

    Attributes:
        experiment: The transfer.
        record: Losses and time.
        content: Content sound, ``(samples,)``.
        style: Style sound, ``(samples,)``.
        sounds: Name → sound, ``(samples,)``: the intermediate sounds, and ``result``.
    """

    experiment: TransferExperiment
    record: TransferRecord
    content: Tensor
    style: Tensor
    sounds: Mapping[str, Tensor]


def render_scores(scores: Mapping[str, Score], *, seconds: float, soundfont: Path | None) -> dict[str, Tensor]:
    """Return rendered sounds by name, ``(samples,)`` at 16 kHz and RMS 0.1; all notes have the same velocity.

    Args:
        scores: Name → notes.
        seconds: Length of each sound.
        soundfont: Path of the soundfont; None: the system's FluidR3Mono_GM.

    Raises:
        InputError: If the soundfont or FluidSynth is not installed, or the soundfont lacks a program.
    """
    with Synth(find_soundfont(soundfont), sample_rate=synthesis_rate(SAMPLE_RATE), gain=1.0) as synth:
        return {
            name: play_melody(synth, score.program, played(score, seconds), seconds=seconds)
            for name, score in scores.items()
        }


def played(score: Score, seconds: float) -> tuple[MelodyNote, ...]:
    """Return the notes of a score with times in seconds, for a sound of the given length.

    Example:
        >>> played(Score(40, ((60, 0.0, 0.5),)), 3.0)
        (MelodyNote(pitch=60, start=0.0, duration=1.5, velocity=90),)
    """
    return tuple(
        MelodyNote(pitch, start * seconds, duration * seconds, VELOCITY) for pitch, start, duration in score.notes
    )


def sines(parts: Sequence[tuple[float, float, float]], *, seconds: float, decay_seconds: float | None = None) -> Tensor:
    """Return a sound of sines at RMS 0.1, ``(samples,)`` at 16 kHz, with fades of 5 ms.

    Args:
        parts: Frequency in Hz, start and duration of each sine; times are shares of the sound's length.
        seconds: Length of the sound.
        decay_seconds: Time in which the amplitude decays to 1/e; None: the amplitude is constant.

    Example:
        >>> tone = sines([(1000, 0.0, 0.5)], seconds=1.0)
        >>> round(float(tone.square().mean().sqrt()), 3), float(tone[8000:].abs().max())
        (0.1, 0.0)
    """
    sound = torch.zeros(round(seconds * SAMPLE_RATE))
    for hz, start, duration in parts:
        first, length = round(start * len(sound)), round(duration * len(sound))
        time = torch.arange(length) / SAMPLE_RATE
        ramp = (torch.minimum(time, time.flip(0)) / 0.005).clamp_max(1)
        envelope = torch.exp(-time / decay_seconds) if decay_seconds is not None else 1.0
        sound[first : first + length] += torch.sin(2 * torch.pi * hz * time) * ramp * envelope
    return LEVEL * sound / sound.square().mean().sqrt()


def with_network(config: TransferConfig, network: str, *, random: bool = False) -> TransferConfig:
    """Return the settings of a transfer with another network in all terms that use one.

    Args:
        config: Settings of the transfer; terms without a trained network are not changed.
        network: Name of a shipped codec or recogniser, or a folder.
        random: Whether the network's weights are shuffled within each layer.
    """
    weights = {"weights": "random" if random else "trained"}

    def changed(term: TermConfig) -> TermConfig:
        match term.extractor:
            case CodecExtractorConfig():
                update = {"codec": network, **weights}
            case RecogniserExtractorConfig():
                update = {"recogniser": network, **weights}
            case _:
                update = {}
        return term.model_copy(update={"extractor": term.extractor.model_copy(update=update)})

    return config.model_copy(update={"terms": tuple(changed(term) for term in config.terms)})


def run_transfers(
    experiments: Sequence[TransferExperiment],
    sounds: Mapping[str, Tensor],
    folder: Path,
    *,
    weights: str,
    on_count: OnCount | None = None,
) -> dict[str, Transferred]:
    """Run all transfers, except those whose stored result has the same sounds, settings, weights and code.

    Args:
        experiments: The transfers.
        sounds: Name → sound, ``(samples,)`` at 16 kHz.
        folder: Folder for ``results/``, with a file for each transfer, and ``sounds/``.
        weights: Digest of the network's weights, part of the key of the stored results.
        on_count: Called after each evaluation of the loss; None: not called.

    Returns:
        Name → finished transfer, in the order of ``experiments``.

    Raises:
        InputError: If a stored result is damaged.
        KeyboardInterrupt: If the process received an interrupt; repeating the call runs the remaining transfers.
    """
    make_folders(folder / "results", folder / "sounds")
    found = {}
    for experiment in experiments:
        content, style = sounds[experiment.content], sounds[experiment.style]
        files = {name: folder / "sounds" / f"{experiment.name}-{name}.wav" for name in (*experiment.heard, RESULT)}
        path = folder / "results" / f"{experiment.name}.json"
        if not all(file.is_file() for file in files.values()):
            path.unlink(missing_ok=True)
        digest = hashlib.sha256(content.numpy().tobytes() + style.numpy().tobytes()).hexdigest()[:16]
        key: Key = {
            "settings": experiment.config.model_dump(mode="json"),
            "heard": dict(experiment.heard),
            "sounds": digest,
            "weights": weights,
            "code": source_digest(TRANSFER_CODE),
        }

        def make(
            experiment: TransferExperiment = experiment,
            files: Mapping[str, Path] = files,
            pair: tuple[Tensor, Tensor] = (content, style),
        ) -> TransferRecord:
            return _transfer(experiment, *pair, files, on_count)

        record = remembered(path, key, TransferRecord, make)
        stored = {name: load_audio(file)[0][0] for name, file in files.items()}
        found[experiment.name] = Transferred(experiment, record, content, style, stored)
    return found


def _transfer(
    experiment: TransferExperiment,
    content: Tensor,
    style: Tensor,
    files: Mapping[str, Path],
    on_count: OnCount | None,
) -> TransferRecord:
    """Run a transfer, and write its sounds."""
    taken: dict[str, Tensor] = {}

    def report(step: Step, heard: Callable[[], Tensor]) -> None:
        for name, iteration in experiment.heard.items():
            if step.number == iteration + 1:
                taken[name] = heard()
        if on_count is not None:
            on_count(experiment.title, step.number, experiment.config.solver.iterations)

    result = transfer(content[None], style[None], experiment.config, report=report)
    if result.descent.stop == "interrupted":
        raise KeyboardInterrupt
    taken[RESULT] = result.audio
    for name, file in files.items():
        audio = remove_dc(taken[name], SAMPLE_RATE)
        audio = audio / audio.abs().max().clamp_min(1)  # no metric depends on the level
        save_audio(file, audio, sample_rate=SAMPLE_RATE, format="float32")
    losses = tuple(step.loss for step in result.descent.steps)
    logger.info("%s: %s s, %s evaluations", experiment.title, f"{result.seconds:.0f}", len(losses))
    return TransferRecord(losses, result.seconds)


@dataclass(frozen=True)
class TransferFigures:
    """Figures of a sound of a transfer, compared with content and style.

    Attributes:
        onsets: ``onset_f1`` with the content: F-measure of onsets within 50 ms.
        content_energy: ``envelope_correlation`` with the content.
        style_energy: ``envelope_correlation`` with the style.
        content_chroma: ``chroma_similarity`` with the content.
        style_chroma: ``chroma_similarity`` with the style.
        mfcc: ``mfcc_distance`` from the style.
        flatness: ``mean_flatness``; about 0.56 for white noise.
        flatness_ratio: Flatness over the larger flatness of content and style.
        floor_db: ``noise_floor_lift`` above content and style, dB.
    """

    onsets: float
    content_energy: float
    style_energy: float
    content_chroma: float
    style_chroma: float
    mfcc: float
    flatness: float
    flatness_ratio: float
    floor_db: float


def figures_of(done: Transferred, name: str) -> TransferFigures:
    """Return the figures of one sound of a transfer."""
    sound, content, style = done.sounds[name], done.content, done.style
    return TransferFigures(
        onsets=onset_f1(sound, content),
        content_energy=float(envelope_correlation(sound, content)),
        style_energy=float(envelope_correlation(sound, style)),
        content_chroma=chroma_similarity(sound, content),
        style_chroma=chroma_similarity(sound, style),
        mfcc=mfcc_distance(sound, style),
        flatness=float(mean_flatness(sound)),
        flatness_ratio=flatness_ratio(sound, content, style),
        floor_db=noise_floor_lift(sound, content, style),
    )


def limit_verdict(value: float, *, holds: float, fails: float) -> Verdict:
    """Return the verdict on a finding that depends on a figure with two limits; between them it is undecided.

    Args:
        value: The figure.
        holds: Limit at which the finding holds, and beyond it in the direction away from ``fails``.
        fails: Limit at which the finding fails, and beyond it in the direction away from ``holds``.

    Example:
        >>> [limit_verdict(value, holds=2, fails=1) for value in (3, 1.5, 0.5)]
        ['holds', 'undecided', 'fails']
        >>> limit_verdict(0.1, holds=0.2, fails=0.5)
        'holds'
    """
    sign = 1 if holds > fails else -1
    return "holds" if sign * (value - holds) >= 0 else "fails" if sign * (value - fails) <= 0 else "undecided"


def listening(done: Transferred, note: str = "") -> Listening:
    """Return audio players of content, style and the sounds of a transfer, for a page."""
    clips = {f"content: {done.experiment.content}": done.content, f"style: {done.experiment.style}": done.style}
    clips |= {name if name == RESULT else f"iteration {name}": sound for name, sound in done.sounds.items()}
    players = [_clip(title, sound) for title, sound in clips.items()]
    return Listening(done.experiment.title, note, players)


def _clip(title: str, sound: Tensor) -> Clip:
    loudest = sound / sound.abs().max().clamp_min(1e-9) * 0.9
    return Clip(title, loudest, SAMPLE_RATE, spectrogram_png(loudest, SAMPLE_RATE))
