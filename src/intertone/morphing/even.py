"""Perceptually uniform steps: mixes between which the sound changes by equal amounts."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from intertone.audio import resample
from intertone.downmix import mix_to_mono
from intertone.metrics.spectral import LOG_MEL_16K, log_mel
from intertone.morphing.checking import check_even
from intertone.morphing.render import each_morph, morph_sources
from intertone.morphing.settings import MorphConfig
from intertone.morphing.sources import Sources
from intertone.phase import PhaseConfig
from intertone.ratio import Mix, MixCurve
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

EVEN_STEPS = 11
"""Number of equally spaced mixes at which the change of the sound is measured."""


def even_mixes(
    sources: Sources,
    mixes: Sequence[Mix],
    config: MorphConfig,
    *,
    ratios: Mapping[str, Mix] | None = None,
    phase: PhaseConfig | None = None,
) -> list[Mix]:
    """Return mixes that are warped so that equal steps change the sound by equal amounts.

    The morph is made at 11 ratios from 0 to 1, and the change between neighbours is measured as the mean absolute
    difference of their log-mel spectrograms, dB. Each ratio is replaced by the one at which this share of the total
    change is reached.

    Args:
        sources: Two analysed sounds.
        mixes: Ratios within 0…1, or curves of them.
        config: The same as for ``morph``.
        ratios: The same as for ``morph``.
        phase: The same as for ``morph_sources``.

    Returns:
        The warped mixes; 0 and 1 are unchanged.

    Raises:
        InputError: If there are not two sounds, or a ratio is outside 0…1.

    Source:
        Niu et al. (2024), "SoundMorpher", for steps of equal perceptual size.
    """
    check_even(len(sources.analyses), mixes)
    ratios_measured = np.linspace(0, 1, EVEN_STEPS)

    def rendered(ratio: float) -> Tensor:
        return _downmix(morph_sources(sources, ratio, config=config, ratios=ratios, phase=phase), sources)

    sounds = list(each_morph(sources, rendered, ratios_measured.tolist()))
    samples = max(sound.shape[-1] for sound in sounds)
    mels = log_mel(torch.stack([torch.nn.functional.pad(sound, (0, samples - len(sound))) for sound in sounds]))
    steps = (mels[1:] - mels[:-1]).abs().mean((1, 2)).double().numpy()
    change = np.concatenate([[0], np.cumsum(steps + 1e-9)])

    def warped(ratio: float) -> float:
        return float(np.interp(ratio * change[-1], change, ratios_measured))

    pairs = ", ".join(f"mix {ratio:.3g} is rendered as {warped(ratio):.3f}" for ratio in _logged_ratios(mixes))
    logger.info("so that equal steps sound equally large, %s", pairs)
    return [_warped_curve(mix, warped) if isinstance(mix, MixCurve) else warped(float(mix)) for mix in mixes]  # type: ignore[arg-type]


def _warped_curve(curve: MixCurve, warped: Callable[[float], float]) -> MixCurve:
    """Return a warped curve, with ``EVEN_STEPS`` points for each line of the curve along which the ratio changes."""
    seconds, ratios = [curve.seconds[0]], [curve.ratios[0]]
    for (start, ratio), (end, last) in pairwise(zip(curve.seconds, curve.ratios, strict=True)):
        n_points = EVEN_STEPS if ratio != last else 2
        seconds += np.linspace(start, end, n_points)[1:].tolist()
        ratios += np.linspace(ratio, last, n_points)[1:].tolist()
    return MixCurve(tuple(seconds), tuple(map(warped, ratios)))


def _logged_ratios(mixes: Sequence[Mix]) -> list[float]:
    """Return the sorted ratios of mixes for the log line: numbers, points of curves, and quarters between these."""
    found = set()
    for mix in mixes:
        points = mix.ratios if isinstance(mix, MixCurve) else (float(mix),)  # type: ignore[arg-type]
        found |= {*points, *(quarter for quarter in (0.25, 0.5, 0.75) if min(points) < quarter < max(points))}
    return sorted(found)


def _downmix(sound: Tensor, sources: Sources) -> Tensor:
    """Return the mean of the mono mixes of all items of a morph, ``(samples,)``, at the sample rate of ``log_mel``."""
    mono = torch.stack([mix_to_mono(item) for item in sound.reshape(-1, *sound.shape[-2:])]).mean(0)
    return resample(mono, sources.codec.sample_rate, LOG_MEL_16K.stft.sample_rate)
