"""Reconstruction of notes by the codec and by baselines, all with the same synthesis."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.baselines import LinearCode, fit_linear_code, images_that_fit, rank_one, shows_magnitudes
from intertone.evaluate.draw import Rows, draw_notes
from intertone.evaluate.figure import BATCH, Way, seeded
from intertone.latent import lerp
from intertone.phase import PhaseConfig
from intertone.remark import RemarkLogger
from intertone.representation import Analysis
from intertone.stft import SpectrogramConfig

logger = RemarkLogger(__name__)

KEPT = PhaseConfig(method="kept")
ESTIMATED = PhaseConfig(method="pghi-fast")

TRUE = "true magnitude"
CODEC = "codec"

BASELINES = ("PCA", "rank one", "mean image")

SPECTROGRAM_WAYS: tuple[Way, ...] = (
    *((CODEC, phase) for phase in ("kept", "estimated")),
    (TRUE, "estimated"),
    *((method, phase) for method in BASELINES for phase in ("kept", "estimated")),
)
"""Methods and phases of reconstructions by codecs that must estimate a phase."""

PARTIAL_WAYS: tuple[Way, ...] = (
    (TRUE, "kept"),
    (TRUE, "estimated"),
    (CODEC, "kept"),
    (CODEC, "estimated"),
    ("rank one", "estimated"),
)
"""Methods and phases of harmonic codecs, whose partials have phases: ``kept`` adds the residual, ``estimated`` not."""

Images = Callable[[Tensor], Mapping[str, Tensor]]
"""Function that returns the features of further methods, by the name of the method, for given features."""


def has_partials(codec: Codec) -> bool:
    """Return whether the codec's features are levels of partials and noise bands (harmonic representation)."""
    return codec.representation.rows is not None


def spectrogram_of(codec: Codec) -> SpectrogramConfig:
    """Return the settings of a codec's spectrogram.

    Raises:
        InputError: If the codec's representation is no spectrogram.
    """
    config = codec.config.representation
    if (settings := config.model_dump().get("spectrogram")) is None:
        raise InputError(f"the codec must have a spectrogram representation, got a {config.kind} representation")
    return SpectrogramConfig(**settings)


@dataclass(frozen=True)
class Resynthesis:
    """A batch of notes and their reconstructions by the codec and the baselines.

    Attributes:
        start: Index of the first note of the batch among all evaluated notes.
        rows: Row numbers of the notes, ``(n,)``.
        audio: The notes, ``(n, samples)``.
        sample_rate: Sample rate of all sounds, Hz.
        latents: Latent codes of the notes, ``(n, latent_dim, n_latents)``.
        sounds: (method, ``"kept"`` or ``"estimated"``) → reconstructions, ``(n, samples)``.
    """

    start: int
    rows: Rows
    audio: Tensor
    sample_rate: int
    latents: Tensor
    sounds: dict[Way, Tensor]


@torch.inference_mode()
def resynthesise(
    codec: Codec, audio: Tensor, ways: Sequence[Way], *, seed: int, images: Images | None = None
) -> tuple[Tensor, dict[Way, Tensor]]:
    """Analyse sounds, encode and decode them, and synthesise the features of each method.

    The network is conditioned on the pitch that is found in the sound; the velocity is unknown.

    Args:
        codec: The codec.
        audio: ``(n, samples)``.
        ways: Pairs of method and phase. Methods: ``codec`` (decoded features), ``true magnitude`` (the analysed
            features without the network) and those of ``images``; others are ignored. Phases: ``kept`` uses phase and
            residual of the sound, ``estimated`` neither.
        seed: Seed of random phase and noise.
        images: Returns the features of further methods; None: there are no further methods.

    Returns:
        The latents, and the audio of each pair of ``ways``, ``(n, samples)``, on the CPU.
    """
    features, context = codec.analyse(audio.unsqueeze(1))
    latents = codec.encode_features(features, context.conditions)
    decoded = codec.decode_features(latents, context.conditions)[..., : features.shape[-1]]
    found = {CODEC: decoded, TRUE: features, **(images(features) if images else {})}
    sounds = {}
    for method, phase in (way for way in ways if way[0] in found):
        kept, analysis = phase == "kept", Analysis(found[method], context)
        sound = codec.representation.synthesise(
            analysis, phase=KEPT if kept else ESTIMATED, residual=kept, generator=seeded(seed)
        )
        sounds[method, phase] = sound.cpu().squeeze(1)
    return latents.cpu(), sounds


def resynthesise_notes(
    codec: Codec, notes: Notes, rows: Rows, *, linear: LinearCode | None, n_estimated: int, seed: int
) -> Iterator[Resynthesis]:
    """Yield reconstructions of notes by the codec and the baselines, batch by batch in the order of ``rows``.

    Args:
        codec: The codec.
        notes: The note set.
        rows: Row numbers of the notes.
        linear: PCA baseline; None for a harmonic codec, which has none.
        n_estimated: Number of notes whose baselines are also synthesised with an estimated phase, which is slow; it is
            rounded up to whole batches.
        seed: Seed of random phase and noise.
    """

    def baselines(features: Tensor) -> Mapping[str, Tensor]:
        scales = codec.representation.scales
        found = {"rank one": rank_one(features, scales)} if shows_magnitudes(scales) else {}
        if linear is None:
            return found
        mean = linear.mean.view(features.shape[-2:]).to(features).expand_as(features)
        return {**found, "PCA": linear.reconstruct(features), "mean image": mean}

    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        audio = notes.audio(batch)
        all_ways = PARTIAL_WAYS if linear is None else SPECTROGRAM_WAYS
        slow = linear is not None and start >= n_estimated
        ways = [way for way in all_ways if not (slow and way[0] in BASELINES and way[1] == "estimated")]
        latents, sounds = resynthesise(codec, audio, ways, seed=seed, images=baselines)
        yield Resynthesis(start, batch, audio, codec.sample_rate, latents, sounds)


def interpolation_name(codec: Codec) -> str:
    """Return the name of the quantity that ``interpolate_features`` interpolates."""
    kinds = {scale.kind for scale in codec.representation.scales}
    if kinds <= {"decibels", "log1p"}:
        return "log magnitude"
    return "magnitude" if kinds == {"linear"} else "features"


def interpolate_features(codec: Codec, a: Tensor, b: Tensor, *, mix: float, seed: int = 0) -> Tensor:
    """Return a morph without a network: the features of both sounds, interpolated and synthesised as in ``morph``.

    Args:
        codec: The codec, of which only the representation is used.
        a: ``(batch, 1, samples)`` at the codec's rate.
        b: The same shape.
        mix: 0 is A, 1 is B.
        seed: Seed of random phase.

    Returns:
        Audio of the same shape, on the CPU.
    """
    representation = codec.representation
    (features_a, context_a), (features_b, context_b) = (representation.analyse(x.to(codec.device)) for x in (a, b))
    context = representation.mix([context_a, context_b], torch.tensor([1 - mix, mix]))
    features = lerp(features_a, features_b, mix)
    analysis = Analysis(features, context)
    return representation.synthesise(analysis, phase=ESTIMATED, generator=seeded(seed)).cpu()


def fit_baseline(codec: Codec, notes: Notes, *, n_components: int, n_bytes: float, seed: int) -> LinearCode:
    """Return a linear code (PCA) that is fitted to the features of training notes.

    Args:
        codec: The codec, of which only the representation is used.
        notes: The note set, at the codec's sample rate, with at least two training notes.
        n_components: Desired number of components; too few training notes give fewer, and a warning is logged.
        n_bytes: Memory for the features, in bytes; at least 1.5 notes per component are read even if it is exceeded.
        seed: Seed of the selection of the notes.

    Returns:
        The linear code of features ``(n_features, n_frames)``.

    Raises:
        ValueError: If there are fewer than two training notes.
    """
    representation = codec.representation
    cells = representation.n_features * representation.n_frames(notes.samples)
    available = len(notes.select(split="train"))
    n_images = images_that_fit(n_bytes, cells=cells, n_components=n_components, available=available)
    rows = draw_notes(notes, n_images, split="train", seed=seed)

    def read(part: slice) -> Tensor:
        return representation.analyse(notes.audio(rows[part]).unsqueeze(1).to(codec.device))[0]

    with torch.inference_mode():
        linear = fit_linear_code(read, len(rows), n_components)
    if linear.n_components < n_components:
        logger.warning("the PCA has %d components of %d: too few training notes", linear.n_components, n_components)
    return linear
