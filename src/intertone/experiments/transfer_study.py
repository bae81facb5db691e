"""Style transfers as experiments: sounds rendered from a bank, each transfer once, its losses and sounds on disk."""

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
"""Called after each evaluation with the experiment's title, the evaluations so far, and the solver's iterations."""

RESULT = "result"
"""Name of the sound at the end of a transfer: the one with the smallest loss."""

VELOCITY = 90
"""Velocity of all rendered notes; the shipped networks are trained on notes of 60 and 110."""


@dataclass(frozen=True)
class Score:
    """Notes of one program of a bank.

    Attributes:
        program: Program of bank 0.
        notes: MIDI pitch, start and duration of each; times as shares of the sound.
    """

    program: int
    notes: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True)
class TransferExperiment:
    """One transfer.

    Attributes:
        name: Of its files.
        title: For tables and pages.
        content: Name of a sound.
        style: Name of a sound.
        config: The system.
        heard: Name of a sound that is kept on the way → the iteration after which it is taken, 0: the first sound.
    """

    name: str
    title: str
    content: str
    style: str
    config: TransferConfig
    heard: Mapping[str, int]


@dataclass(frozen=True)
class TransferRecord:
    """Result of a transfer of a paper.

    Attributes:
        losses: Of every evaluation; with Adam, evaluation n follows n iterations.
        seconds: Of the whole transfer.
    """

    losses: tuple[float, ...]
    seconds: float

    def ratio(self, iteration: int) -> float:
        """Return the loss after so many iterations over the first one."""
        return self.losses[iteration] / self.losses[0]


@dataclass(frozen=True, eq=False)
class Transferred:
    """A transfer with its sounds.

    Attributes:
        experiment: The transfer.
        record: What it did.
        content: ``(samples,)``, as the other sounds at 16 kHz.
        style: ``(samples,)``.
        sounds: Name → ``(samples,)``: those on the way, and ``result``.
    """

    experiment: TransferExperiment
    record: TransferRecord
    content: Tensor
    style: Tensor
    sounds: Mapping[str, Tensor]


def render_scores(scores: Mapping[str, Score], *, seconds: float, soundfont: Path | None) -> dict[str, Tensor]:
    """Return sounds by name, ``(samples,)`` at 16 kHz and RMS 0.1; every note has the same velocity.

    Args:
        scores: Name → notes.
        seconds: Length of each sound.
        soundfont: The bank; None: the system's FluidR3Mono_GM.

    Raises:
        InputError: If there is no bank or no FluidSynth, or the bank lacks a program.
    """
    with Synth(find_soundfont(soundfont), sample_rate=synthesis_rate(SAMPLE_RATE), gain=1.0) as synth:
        return {
            name: play_melody(synth, score.program, played(score, seconds), seconds=seconds)
            for name, score in scores.items()
        }


def played(score: Score, seconds: float) -> tuple[MelodyNote, ...]:
    """Return the notes of a score in a sound of this length.

    Example:
        >>> played(Score(40, ((60, 0.0, 0.5),)), 3.0)
        (MelodyNote(pitch=60, start=0.0, duration=1.5, velocity=90),)
    """
    return tuple(
        MelodyNote(pitch, start * seconds, duration * seconds, VELOCITY) for pitch, start, duration in score.notes
    )


def sines(parts: Sequence[tuple[float, float, float]], *, seconds: float, decay_seconds: float | None = None) -> Tensor:
    """Return sines at RMS 0.1, ``(samples,)`` at 16 kHz, faded in and out over 5 ms.

    Args:
        parts: Hz, start and duration of each; times as shares of the sound.
        seconds: Length of the sound.
        decay_seconds: Time in which the amplitude falls to 1/e; None: it stays.

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
    """Return a system whose terms look through another network, or through one with shuffled weights.

    Args:
        config: The system; terms without a trained network stay as they are.
        network: Name of a shipped codec or recogniser, or a folder.
        random: Whether its weights are shuffled within each layer.
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
    """Do every transfer that is not done yet, or was done with other sounds, settings, weights or code.

    Args:
        experiments: The transfers.
        sounds: Name → ``(samples,)`` at 16 kHz.
        folder: Gets ``results/`` with a file for each transfer, and ``sounds/``.
        weights: Digest of the network's weights; with others, a transfer is done again.
        on_count: Called after each evaluation.

    Returns:
        Name → the transfer with its sounds, in the order of ``experiments``.

    Raises:
        InputError: If a result is damaged.
        KeyboardInterrupt: If the process was interrupted; the same call goes on with the transfers that are not done.
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
        heard = {name: load_audio(file)[0][0] for name, file in files.items()}
        found[experiment.name] = Transferred(experiment, record, content, style, heard)
    return found


def _transfer(
    experiment: TransferExperiment,
    content: Tensor,
    style: Tensor,
    files: Mapping[str, Path],
    on_count: OnCount | None,
) -> TransferRecord:
    """Do a transfer, and write its sounds."""
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
    """Figures of a sound of a transfer.

    Attributes:
        onsets: F-measure of the onsets within 50 ms of the content's.
        content_energy: Correlation of the frame energies with the content's.
        style_energy: The same with the style's.
        content_chroma: Cosine of the aligned chroma with the content's.
        style_chroma: The same with the style's.
        mfcc: Cosine distance of mean and deviation of MFCC 2–13 from the style's.
        flatness: Spectral flatness; about 0.56 for white noise.
        flatness_ratio: Over that of the flatter one of content and style.
        floor_db: Lift of the noise floor above that of content and style.
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
    """Return the figures of one of a transfer's sounds."""
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
    """Return whether a figure lies beyond the limit from which on a finding holds, or beyond that where it fails.

    Args:
        value: The figure.
        holds: From here on, away from ``fails``, it holds.
        fails: From here on, away from ``holds``, it fails.

    Example:
        >>> [limit_verdict(value, holds=2, fails=1) for value in (3, 1.5, 0.5)]
        ['holds', 'undecided', 'fails']
        >>> limit_verdict(0.1, holds=0.2, fails=0.5)
        'holds'
    """
    sign = 1 if holds > fails else -1
    return "holds" if sign * (value - holds) >= 0 else "fails" if sign * (value - fails) <= 0 else "undecided"


def listening(done: Transferred, note: str = "") -> Listening:
    """Return content, style and the sounds of a transfer as players of a page."""
    clips = {f"content: {done.experiment.content}": done.content, f"style: {done.experiment.style}": done.style}
    clips |= {name if name == RESULT else f"iteration {name}": sound for name, sound in done.sounds.items()}
    players = [_clip(title, sound) for title, sound in clips.items()]
    return Listening(done.experiment.title, note, players)


def _clip(title: str, sound: Tensor) -> Clip:
    loudest = sound / sound.abs().max().clamp_min(1e-9) * 0.9
    return Clip(title, loudest, SAMPLE_RATE, spectrogram_png(loudest, SAMPLE_RATE))
