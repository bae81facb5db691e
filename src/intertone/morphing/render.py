"""Rendering of a morph from analysed sounds: interpolation, synthesis and loudness."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from intertone.errors import InputError
from intertone.morphing.checking import check_attributes, check_phase, check_pitch, pitched_for, single_note_for
from intertone.morphing.contract import AtPitch
from intertone.morphing.guard import limit_level
from intertone.morphing.levels import bring_to_level
from intertone.morphing.pitches import morph_pitch
from intertone.morphing.settings import NEAREST, MorphConfig
from intertone.morphing.sources import Sources, require_pitch, require_single_notes
from intertone.morphing.weights import Weights, at_end, find_span, mix_weights
from intertone.parallel import side_by_side
from intertone.phase import PhaseConfig
from intertone.pitch.note import note_hz
from intertone.ratio import Mix, MixCurve
from intertone.representation import Analysis

NEEDS_PITCH = "must be used with a codec that analyses pitch, got a spectrogram codec"
"""End of the sentences that refuse a setting for a codec without pitch."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@torch.inference_mode()
def morph_sources(
    sources: Sources,
    mix: Mix,
    *,
    config: MorphConfig | None = None,
    ratios: Mapping[str, Mix] | None = None,
    common: Mix | None = None,
    phase: PhaseConfig | None = None,
    residual: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the morph of analysed sounds; see ``morph``.

    Args:
        sources: Sounds from ``analyse_sounds``.
        mix: The same as for ``morph``; for a single sound one weight, ``(1.0,)``.
        config: The same as for ``morph``.
        ratios: The same as for ``morph``.
        common: Mix of timing, pitch and phases of partials. Morphs with different ``mix`` and the same ``common`` have
            the same length, onset and phase, so that they can be crossfaded. None: ``mix`` is used for these too.
        phase: The same as for ``morph``.
        residual: Whether the residual of the sounds, which the features do not contain, is used.
        generator: The same as for ``morph``.

    Returns:
        Audio, ``(*sources.leading, samples)``.

    Raises:
        InputError: For the same reasons as ``morph``, or if the morph method does not support a setting.
    """
    kept = sources.method.takes.phase and phase is not None and phase.method == "kept"

    def between(weights: Weights, config: MorphConfig, generator: torch.Generator | None) -> Analysis[Any]:
        return sources.method.between(sources.analyses, weights, config, kept=kept, generator=generator)

    return _morph(
        sources, mix, config or MorphConfig(), ratios or {}, common, between,
        phase=phase, residual=residual, generator=generator,
    )  # fmt: skip


class NoteMorphs:
    """Morphs of sounds at several notes, which share all that does not depend on the note.

    The first call of ``at`` computes what is shared, by partials the alignment of the sounds and their codes; it is
    kept as long as this object. Notes may be rendered side by side.

    Args:
        sources: The same as for ``morph_sources``.
        mix: The same as for ``morph_sources``.
        config: The same as for ``morph_sources``, but its pitch and its velocity are replaced by those of each note.
        ratios: The same as for ``morph_sources``.
        common: The same as for ``morph_sources``.
    """

    def __init__(
        self,
        sources: Sources,
        mix: Mix,
        *,
        config: MorphConfig | None = None,
        ratios: Mapping[str, Mix] | None = None,
        common: Mix | None = None,
    ) -> None:
        self._sources, self._mix, self._config = sources, mix, config or MorphConfig()
        self._ratios, self._common = dict(ratios or {}), common
        self._lock = threading.Lock()
        self._mixture: AtPitch[Any] | None = None

    @torch.inference_mode()
    def at(self, note: float, *, velocity: float | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Return the morph at a note, the same as that of ``morph_sources``.

        Args:
            note: MIDI number; fractions are possible.
            velocity: The same as in ``MorphConfig``.
            generator: The same as for ``morph_sources``.

        Returns:
            Audio, ``(*sources.leading, samples)``.

        Raises:
            InputError: For the same reasons as ``morph_sources``.
        """
        config = self._config.model_copy(update={"pitch": f"{note:.6g}", "velocity": velocity})
        return _morph(
            self._sources, self._mix, config, self._ratios, self._common, self._between, generator=generator
        )  # fmt: skip

    def _between(self, weights: Weights, config: MorphConfig, generator: torch.Generator | None) -> Analysis[Any]:
        """Return the mixture at the pitch of ``config``; the weights are the same for all notes."""
        with self._lock:
            if self._mixture is None:
                self._mixture = self._sources.method.at_pitches(self._sources.analyses, weights, config)
        return self._mixture(config.pitch, velocity=config.velocity, generator=generator)


def _morph(
    sources: Sources,
    mix: Mix,
    config: MorphConfig,
    ratios: Mapping[str, Mix],
    common: Mix | None,
    between: Callable[[Weights, MorphConfig, torch.Generator | None], Analysis[Any]],
    *,
    phase: PhaseConfig | None = None,
    residual: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the morph of analysed sounds; ``between`` returns their mixture by weights that follow from ``mix``."""
    check_needs(sources, config, ratios)
    check_attributes(ratios)
    check_pitch(config, ratios, len(sources.analyses))
    if config.pitch == NEAREST:
        nearest = morph_pitch(sources, mix, config=config, ratios=ratios)
        if nearest is None:
            raise InputError(f"the pitch {NEAREST} must be used with a constant mix, got a curve")
        config = config.model_copy(update={"pitch": str(nearest.key)})
    takes = sources.method.takes
    for name in ratios:
        if name not in takes.attributes:
            raise InputError(f"a separate ratio for {name} {NEEDS_PITCH}")
    if config.pitch not in ("glide", "free") and not takes.pitch:
        raise InputError(f"the pitch {config.pitch} {NEEDS_PITCH}")
    if config.hold_seconds is not None and not takes.sustain:
        raise InputError(f"a sustain of a given length {NEEDS_PITCH}")
    if config.length != "mean" and not takes.length:
        raise InputError(
            f"the length {config.length} must be used with sounds without one pitch, got sounds of one pitch: the "
            "length of their morph is interpolated"
        )
    if common is not None and not takes.common:
        raise InputError(f"morphs with a common timing must be by partials, got {type(sources.method).__name__}")
    if config.velocity is not None and not (takes.velocity and "velocity" in sources.codec.model.decoder_needs):
        raise InputError(
            "a velocity must be used with a codec that is conditioned on it, and with sounds of one pitch, "
            f"got {config.velocity:g}"
        )
    weights = _weights(sources, mix, ratios, config, common)
    check_phase(phase, mix, weights.overall)
    asked = config.hold_seconds is not None or note_hz(config.pitch) is not None or config.network == "full"
    asked |= config.length not in ("mean", "longest") or common is not None or config.velocity is not None
    if takes.exact and weights.only is not None and not asked and residual:
        return sources.sounds[weights.only].reshape(*sources.leading, -1).clone()

    def synthesised(analysis: Analysis[Any], generator: torch.Generator | None = None) -> Tensor:
        found = phase if takes.phase else None
        return sources.method.synthesise(analysis, phase=found, residual=residual, generator=generator)

    def constant(column: int) -> Tensor:
        return synthesised(sources.method.between(sources.analyses, weights.at(column), config))

    sound = synthesised(between(weights, config, generator), generator)
    if takes.loudness:
        sound = bring_to_level(sound, sources, weights, constant)
    sound = limit_level(sound, sources.sounds, sources.codec.sample_rate)
    sound = sound.reshape(*sources.leading, -1)
    own_time = common is None and config.hold_seconds is None
    if own_time and at_end(weights.overall) and torch.equal(weights.timing, weights.overall):
        # a sound with weight 1 is cut to its own length, without the silence that pads it to that of a longer sound
        return sound[..., : sources.sounds[int(weights.overall.argmax())].shape[-1]]
    return sound


def check_needs(sources: Sources, config: MorphConfig, ratios: Mapping[str, Mix]) -> None:
    """Refuse settings that need sounds with one pitch or single notes, if a sound is not of this kind.

    Raises:
        InputError: If a sound has no single pitch and ``config`` sets a pitch or a sustain or ``ratios`` is not only
            for the envelope, or if a sound is a phrase and ``config`` sets a note as pitch or a sustain.
    """
    single = single_note_for(config)
    if single is not None:
        require_single_notes(sources, single)
    purpose = pitched_for(config, ratios)
    if purpose is not None:
        require_pitch(sources, purpose)


def each_morph(sources: Sources, make: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield ``make(item)`` for each item, computed in parallel threads if the method has ``takes.threads``.

    A morph whose features are all decoded by the network uses all processors by itself.
    """
    return side_by_side(make, items) if sources.method.takes.threads else map(make, items)


def _weights(sources: Sources, mix: Mix, ratios: Mapping[str, Mix], config: MorphConfig, common: Mix | None) -> Weights:
    """Return the weights of the sounds; for mix curves, one column for each frame of the result."""
    rate, n_sounds = sources.method.frames_per_second, len(sources.analyses)

    def span(weights: Tensor) -> tuple[float, float]:
        return sources.method.span(sources.analyses, weights, config)

    timing = ratios.get("envelope", mix) if common is None else common
    if isinstance(timing, MixCurve):
        mix_weights(timing, n_sounds, frames_per_second=rate, n_frames=1)
        first, end = find_span(timing, span, frames_per_second=rate)
    else:
        first, end = span(mix_weights(timing, n_sounds, frames_per_second=rate, n_frames=1))
    n_frames = 1 + math.ceil(max(0.0, end - first) * rate)
    weighed = partial(mix_weights, n_sounds=n_sounds, frames_per_second=rate, n_frames=n_frames, first_seconds=first)
    overall, own = weighed(mix), {name: weighed(value) for name, value in ratios.items()}
    pitch = own.get("pitch", overall) if config.pitch == "free" else overall
    if len(config.pitch) == 1 and config.pitch.isalpha():
        pitch = torch.eye(n_sounds, dtype=torch.float64)[ord(config.pitch) - ord("a")]
    if common is None:
        return Weights(overall, own, pitch, first)
    shared = mix_weights(common, n_sounds, frames_per_second=rate, n_frames=1)
    return Weights(overall, own, shared, first, shared)
