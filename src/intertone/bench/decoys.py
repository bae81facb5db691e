"""Decoys: bad morphs that a weak score would accept. The bench checks that its score rejects them."""

from collections.abc import Callable, Sequence

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from intertone.audio import resample
from intertone.bench.baselines import SILENCE, TOP_DB, magnitudes, mix_log, to_sounds
from intertone.bench.pair import Method, Pair
from intertone.level import db_to_amplitude
from intertone.metrics.spectral import LOG_MEL_STFT, log_mel

BISECTIONS = 16
BLUR = (0.8, 1.5)
"""Standard deviations of the Gaussian blur, in bins and frames, which imitates a bad autoencoder."""


def warped_crossfade(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return mixtures of the waveforms whose log-mel spectrograms are at the given ratios on the line from A to B.

    The gain of each mixture is found by bisection on ``progress``. Distances of spectrograms rate this decoy as
    perfect, although both sounds are heard at once.

    Args:
        pair: The notes; the results at 0 and 1 are copies of them.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.

    Source:
        The search of SoundMorpher (2024), applied to mixtures.
    """
    a, b = (resample(sound, pair.sample_rate, LOG_MEL_STFT.sample_rate) for sound in (pair.a, pair.b))
    wanted = torch.tensor(ratios, dtype=a.dtype)[:, None]
    low, high = torch.zeros_like(wanted), torch.ones_like(wanted)
    for _ in range(BISECTIONS):
        gain = 0.5 * (low + high)
        short = progress((1 - gain) * a + gain * b, a, b)[:, None] < wanted
        low, high = torch.where(short, gain, low), torch.where(short, high, gain)
    gain = torch.where((wanted > 0) & (wanted < 1), 0.5 * (low + high), wanted)
    return (1 - gain) * pair.a + gain * pair.b


def progress(sounds: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the projection of sounds on the straight line between two log-mel spectrograms.

    Args:
        sounds: Sounds at 16 kHz, ``(n_sounds, samples)``.
        a: Sound at the start of the line, ``(samples,)``.
        b: Sound at the end of the line, ``(samples,)``.

    Returns:
        Position on the line, ``(n_sounds,)``: 0 at ``a``, 1 at ``b``.

    Example:
        >>> a, b = torch.randn(2, 4000)
        >>> progress(torch.stack([a, b]), a, b).tolist()
        [0.0, 1.0]
    """
    start = log_mel(a)
    line = log_mel(b) - start
    return ((log_mel(sounds) - start) * line).sum((-2, -1)) / line.square().sum().clamp_min(1e-10)


def switch(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return A at ratios below 0.5, and B at all others.

    Args:
        pair: The notes.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.
    """
    return torch.stack([pair.a if ratio < 0.5 else pair.b for ratio in ratios])


def constant_mix(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return the mean of the waveforms at all ratios but 0 and 1.

    Args:
        pair: The notes; the results at 0 and 1 are copies of them.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.
    """
    return _between_copies(pair, ratios, 0.5 * (pair.a + pair.b))


def third_instrument(third: Callable[[Pair], Tensor]) -> Method:
    """Return a method that plays a third note at all ratios but 0 and 1, where it plays the pair's notes.

    Args:
        third: Returns the third note for a pair, ``(samples,)``, as long as the notes of the pair.
    """

    def method(pair: Pair, ratios: Sequence[float]) -> Tensor:
        return _between_copies(pair, ratios, third(pair))

    return method


def one_sound(sound: Callable[[Pair], Tensor]) -> Method:
    """Return a method that plays the same sound at every ratio, 0 and 1 included.

    Args:
        sound: Returns the sound for a pair, ``(samples,)``.
    """

    def method(pair: Pair, ratios: Sequence[float]) -> Tensor:
        return sound(pair).expand(len(ratios), -1)

    return method


def blurred(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return morphs by interpolation of spectrograms in decibels, blurred as by a bad autoencoder.

    Args:
        pair: The notes.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.
    """
    a, b = magnitudes(pair)
    return to_sounds((blur(mix_log(a, b, ratio)) for ratio in ratios), pair, ratios)


def blur(magnitude: Tensor) -> Tensor:
    """Return a magnitude ``(n_bins, n_frames)`` whose logarithm is smoothed by a Gaussian of width ``BLUR``."""
    log = magnitude.clamp_min(db_to_amplitude(-TOP_DB) * magnitude.amax().clamp_min(SILENCE)).log()
    return torch.from_numpy(gaussian_filter(log.numpy(), BLUR)).exp()


def _between_copies(pair: Pair, ratios: Sequence[float], sound: Tensor) -> Tensor:
    return torch.stack([{0.0: pair.a, 1.0: pair.b}.get(ratio, sound) for ratio in ratios])


DECOYS: dict[str, Method] = {
    "warped crossfade": warped_crossfade,
    "switch": switch,
    "constant mix": constant_mix,
    "blurred": blurred,
}
"""Decoys by name; ``third_instrument`` and ``one_sound`` are not among them because they need a further sound."""
