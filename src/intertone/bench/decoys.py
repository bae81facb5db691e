"""Morphs made to deceive the score: the bench tests itself by what it thinks of them."""

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
"""Standard deviations, in bins and frames, of the blur of a bad autoencoder."""


def warped_crossfade(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Mix the waveforms by gains under which the mixture lies where it should between the log-mel spectrograms.

    The gain is found by bisection. Perfect by every distance of spectrograms, and yet two sounds at once.

    Args:
        pair: The notes; copies of them at 0 and 1.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.

    Source:
        The search of SoundMorpher (2024), on a mixture.
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
    """Return how far sounds have come on the straight line from one log-mel spectrogram to another.

    Args:
        sounds: 16 kHz, ``(n_sounds, samples)``.
        a: Where the line starts, ``(samples,)``.
        b: Where it ends, ``(samples,)``.

    Returns:
        0 at ``a``, 1 at ``b``, ``(n_sounds,)``.

    Example:
        >>> a, b = torch.randn(2, 4000)
        >>> progress(torch.stack([a, b]), a, b).tolist()
        [0.0, 1.0]
    """
    start = log_mel(a)
    line = log_mel(b) - start
    return ((log_mel(sounds) - start) * line).sum((-2, -1)) / line.square().sum().clamp_min(1e-10)


def switch(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return A below the ratio 0.5, and B from there on.

    Args:
        pair: The notes.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.
    """
    return torch.stack([pair.a if ratio < 0.5 else pair.b for ratio in ratios])


def constant_mix(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return the mean of the waveforms wherever the ratio is neither 0 nor 1.

    Args:
        pair: The notes; copies of them at 0 and 1.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.
    """
    return _between_copies(pair, ratios, 0.5 * (pair.a + pair.b))


def third_instrument(third: Callable[[Pair], Tensor]) -> Method:
    """Return a method that plays another note wherever the ratio is neither 0 nor 1.

    Args:
        third: Gives the note for a pair, ``(samples,)``, as long as the pair's.

    Returns:
        The method; copies of the pair's notes at 0 and 1.
    """

    def method(pair: Pair, ratios: Sequence[float]) -> Tensor:
        return _between_copies(pair, ratios, third(pair))

    return method


def one_sound(sound: Callable[[Pair], Tensor]) -> Method:
    """Return a method that plays one sound at every ratio, 0 and 1 included: nothing moves.

    Args:
        sound: Gives the sound for a pair, ``(samples,)``.

    Returns:
        The method.
    """

    def method(pair: Pair, ratios: Sequence[float]) -> Tensor:
        return sound(pair).expand(len(ratios), -1)

    return method


def blurred(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Interpolate the two spectrograms in decibels, and blur the result as a bad autoencoder would.

    Args:
        pair: The notes.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.
    """
    a, b = magnitudes(pair)
    return to_sounds((blur(mix_log(a, b, ratio)) for ratio in ratios), pair, ratios)


def blur(magnitude: Tensor) -> Tensor:
    """Smooth the logarithm of a magnitude ``(n_bins, n_frames)`` by a Gaussian of ``BLUR``, above a floor."""
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
"""Decoys by name. ``third_instrument`` is another, which needs a third note."""
