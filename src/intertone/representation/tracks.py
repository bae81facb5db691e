"""What the harmonic image does not show of a sound, and what lies between several."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from intertone.representation.timeline import at_positions, held

KEPT_REACH = 0.4
"""How far from its own end of a mixture a sound's own noise and fine phase are used, falling all the way."""

SMOOTH_FRAMES = 7
"""Over which the phase of a partial is averaged away from the ends."""


@dataclass(frozen=True)
class KeptNoise:
    """The noise of a sound itself.

    Attributes:
        sound: From the onset on, ``(channels, samples)``.
        before: What lies before the onset, ``(channels, samples)``.
        powers: Mean squares of its bands, ``(channels, n_noise, n_frames)``.
        share: How much of it is used in each frame, 0…1, ``(n_frames,)``.
    """

    sound: Tensor
    before: Tensor
    powers: Tensor
    share: Tensor


@dataclass(frozen=True)
class PartialTrack:
    """Where the partials and the noise of one sound lie; how loud they are says the image.

    Frames are counted from the onset on.

    Attributes:
        samples: Length of the sound.
        onset: Where the first frame lies, samples.
        reference: Amplitude of feature 1.
        f0: Hz, ``(n_frames,)``, float64.
        inharmonicity: B of ``f_k = k · f0 · √(1 + B·k²)``.
        phase: Of each partial, turns, beyond ``k·√(1 + B·k²)`` times the turns of f0, unwrapped in time,
            ``(channels, n_partials, n_frames)``.
        detail: Level of each partial beyond its row's, dB, ``(channels, n_partials)``.
        noise: The sounds' own noise.
    """

    samples: int
    onset: int
    reference: float
    f0: Tensor
    inharmonicity: float
    phase: Tensor
    detail: Tensor
    noise: tuple[KeptNoise, ...]

    @property
    def pitch(self) -> float:
        """MIDI number of the median f0."""
        return 69 + 12 * math.log2(float(self.f0.median()) / 440)


@dataclass(frozen=True)
class HarmonicContext:
    """What the network does not see of a batch of sounds, and what the way back needs.

    Attributes:
        tracks: One for each sound.
        leading: Axes of the audio before its samples.
        edited: Whether the code that this goes with is another than the sounds' own.
    """

    tracks: tuple[PartialTrack, ...]
    leading: tuple[int, ...]
    edited: bool = False

    @property
    def conditions(self) -> Tensor:
        """What the network is told of each channel of each sound: MIDI number, and velocity unknown."""
        channels = len(self.tracks[0].phase)
        rows = [[track.pitch, math.nan] for track in self.tracks for _ in range(channels)]
        return torch.tensor(rows, dtype=torch.float32)

    def as_edited(self) -> "HarmonicContext":
        """Return this context for a code that was changed: nothing of the sounds' own noise is used."""
        return replace(self, tracks=tuple(replace(track, noise=()) for track in self.tracks), edited=True)


def kept_share(weights: Tensor) -> Tensor:
    """Return how much of its own noise a sound keeps at some weights: 1 at 1, 0 from 0.6 down."""
    away = (weights - 1).abs() / KEPT_REACH
    return torch.where(away < 1, torch.cos(0.5 * math.pi * away), 0)


def retime_track(
    track: PartialTrack, places: Tensor, weights: Tensor, *, samples: int, onset: int, hop_length: int
) -> PartialTrack:
    """Return a track on another time.

    Args:
        track: From an analysis.
        places: Which of its frames belongs to each new frame, ``(n_frames,)``.
        weights: Of the sound in the mixture that follows, ``(n_frames,)``; they say how much of its noise is kept.
        samples: New length.
        onset: New onset, samples.
        hop_length: Samples from one frame to the next.

    Returns:
        The track; phases are averaged over time where the sound does not have all the weight.
    """
    share = kept_share(weights)
    phase = at_positions(track.phase, places)
    if float(share.min()) < 1:
        steady = at_positions(_smooth(track.phase), places)
        phase = steady + share.to(phase.dtype) * (phase - steady)
    kept = tuple(_refit(noise, share, samples - onset, onset, hop_length) for noise in track.noise if bool(share.any()))
    f0 = at_positions(track.f0.log(), places).exp()
    return replace(track, samples=samples, onset=onset, f0=f0, phase=phase, noise=kept)


def mix_tracks(
    tracks: Sequence[PartialTrack], weights: Tensor, *, pitch: Tensor | None = None, median_hz: float | None = None
) -> PartialTrack:
    """Return the track between some that have one time.

    f0 and the reference are interpolated in their logarithms, the rest linearly; phases start the shorter way round
    and go on at interpolated speeds.

    Args:
        tracks: From ``retime_track``, of one length.
        weights: ``(n_tracks, n_frames)``, each column summing to 1.
        pitch: The same for f0; as ``weights`` if not given.
        median_hz: What the median of f0 is shifted to.

    Returns:
        The track.
    """
    pitch = weights if pitch is None else pitch
    mean = weights.mean(1).tolist()
    f0 = sum(row * track.f0.log() for row, track in zip(pitch, tracks, strict=True))
    f0 = torch.as_tensor(f0).exp()
    if median_hz is not None:
        f0 = f0 * (median_hz / f0.median())
    used = [index for index, row in enumerate(weights) if bool(row.any())]
    count = max(tracks[index].phase.shape[1] for index in used)
    phases = [_complete(tracks[index].phase, count) for index in used]
    anchor = phases[0][..., :1]
    start, speed = torch.zeros_like(anchor), torch.zeros_like(phases[0][..., 1:])
    detail = torch.zeros(anchor.shape[:2])
    for index, phase in zip(used, phases, strict=True):
        row, own = weights[index].float(), tracks[index].detail
        first = phase[..., :1]
        start += row[0] * (first - (first - anchor).round())
        speed += 0.5 * (row[1:] + row[:-1]) * phase.diff()
        detail[:, : own.shape[1]] += mean[index] * own[:, :count]
    return replace(
        tracks[0],
        reference=math.exp(sum(share * math.log(track.reference) for share, track in zip(mean, tracks, strict=True))),
        f0=f0,
        inharmonicity=max(0.0, sum(share * track.inharmonicity for share, track in zip(mean, tracks, strict=True))),
        phase=torch.cat([start, start + speed.cumsum(-1)], -1),
        detail=detail,
        noise=tuple(noise for track in tracks for noise in track.noise),
    )


def resting_phase(first: int, last: int) -> Tensor:
    """Return phases, in turns, of partials that were not measured: spread evenly, so that no pulse adds up."""
    orders = torch.arange(first, last + 1, dtype=torch.float64)
    return (orders.square() * (0.5 * (math.sqrt(5) - 1)) % 1).float()


def _refit(noise: KeptNoise, share: Tensor, body: int, onset: int, hop_length: int) -> KeptNoise:
    """Cut or complete noise to a new length.

    It is not stretched: it has no shape of its own once it is divided by its powers, and where it has ended other noise
    takes its place.
    """
    length = noise.sound.shape[-1]
    n_frames = len(share)
    return KeptNoise(
        sound=pad(noise.sound, (0, max(0, body - length)))[:, :body],
        before=pad(noise.before, (max(0, onset - noise.before.shape[-1]), 0))[
            :, max(0, noise.before.shape[-1] - onset) :
        ],
        powers=held(noise.powers, n_frames),
        share=share * (torch.arange(n_frames) * hop_length < length + hop_length),
    )


def _complete(phase: Tensor, count: int) -> Tensor:
    channels, own, n_frames = phase.shape
    if own >= count:
        return phase[:, :count]
    rest = resting_phase(own + 1, count)[None, :, None].expand(channels, -1, n_frames)
    return torch.cat([phase, rest], 1)


def _smooth(phase: Tensor) -> Tensor:
    kernel = torch.hann_window(SMOOTH_FRAMES + 2, periodic=False)[1:-1]
    padded = pad(phase.flatten(0, 1)[:, None], (SMOOTH_FRAMES // 2,) * 2, mode="replicate")
    return conv1d(padded, (kernel / kernel.sum())[None, None])[:, 0].unflatten(0, phase.shape[:2])
