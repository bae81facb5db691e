"""Spectrograms on a logarithmic frequency axis, marked with note names."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.nn.functional import pad

from intertone.level import amplitude_to_db, db_to_power
from intertone.pitch.note import hz_to_pitch, note_name, pitch_to_hz
from intertone.plot.figure import COLOURS, draw_on_any_ground, figure_png, new_figure, save_figure
from intertone.stft import SpectrogramConfig, stft

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

WINDOWS = ((0.0, 0.186), (200.0, 0.093), (800.0, 0.046))
"""Lowest frequency, Hz, and length, seconds, of each window: long ones separate low partials, short
ones show attacks."""

CROSSFADE_SEMITONES = 12.0
"""Range around each of those frequencies over which one window passes into the next."""

ROWS_A_SEMITONE = 4
"""Rows of a picture for each semitone."""

MOST_COLUMNS = 1200
"""Columns of a picture; of a longer sound the loudest of several frames is drawn."""

AUDIBLE_DB, RUMBLE_DB = 65.0, 40.0
"""Levels below the loudest row: rows above the highest within the first and below the lowest within the second are cut
off, since rumble below a note's fundamental would else fill a third of its picture."""

MARGIN, LEAST_RANGE = 2.0, 36.0
"""Semitones of silence that are left below and above the sound, and least height of a picture, semitones."""

LOWEST_PITCH = 21.0
"""MIDI number of the lowest row, A0, unless the sound lies lower than its half of a picture."""

Array = npt.NDArray[np.floating]


def log_spectrogram(audio: Tensor, sample_rate: int) -> tuple[Array, Array]:
    """Return the level of a sound over pitch and time.

    Args:
        audio: ``(samples,)`` or ``(channels, samples)``, whose mean is analysed.
        sample_rate: Hz.

    Returns:
        dB below the loudest cell, ``(n_rows, n_columns)``, at least −200, and the pitch of each row, MIDI numbers,
        ``(n_rows,)``, from A0 to half of the sample rate. Silence is −200 dB everywhere.

    Example:
        >>> import torch
        >>> db, pitches = log_spectrogram(torch.sin(2 * torch.pi * 440 * torch.arange(16000) / 16000), 16000)
        >>> float(pitches[db[:, 30].argmax()])
        69.0
    """
    mono = audio.reshape(-1, audio.shape[-1]).mean(0).detach().cpu().float()
    steps = ROWS_A_SEMITONE * (hz_to_pitch(sample_rate / 2) - LOWEST_PITCH)
    pitches = LOWEST_PITCH + np.arange(math.floor(steps)) / ROWS_A_SEMITONE
    sizes = [2 ** max(6, round(math.log2(seconds * sample_rate))) for _, seconds in WINDOWS]
    hop = max(sizes[-1] // 8, 1)
    mono = pad(mono, (0, max(0, sizes[0] - len(mono))))
    found = np.zeros((len(pitches), 1))
    for number, n_fft in enumerate(sizes):
        config = SpectrogramConfig(sample_rate=sample_rate, n_fft=n_fft, hop_length=hop)
        level = amplitude_to_db((stft(mono, config).abs() / n_fft).clamp_min(1e-12)).numpy()
        share = _window_shares(pitches)[number]
        found = found + share[:, None] * _rows(_columns(level), pitches, n_fft / sample_rate)
    return np.clip(found - found.max() if found.max() > -200 else found, -200, 0), pitches


def pitch_range(sounds: Sequence[Tensor], sample_rate: int) -> tuple[float, float]:
    """Return the lowest and the highest pitch that a picture of some sounds must show, MIDI numbers.

    Args:
        sounds: As for ``log_spectrogram``.
        sample_rate: Hz.

    Returns:
        Both ends; the whole range for silence.
    """
    low, high = math.inf, -math.inf
    for sound in sounds:
        db, pitches = log_spectrogram(sound, sample_rate)
        power = db_to_power(db).mean(1)
        if (loudest := power.max()) > db_to_power(-200.0):
            low = min(low, pitches[power > loudest * db_to_power(-RUMBLE_DB)][0] - MARGIN)
            high = max(high, pitches[power > loudest * db_to_power(-AUDIBLE_DB)][-1] + MARGIN)
    lowest, highest = float(pitches[0]), float(pitches[-1])
    if low > high:
        return lowest, highest
    missing = max(0.0, LEAST_RANGE - (high - low)) / 2
    return max(lowest, float(low) - missing), min(highest, float(high) + missing)


def draw_spectrogram(
    axes: "Axes", audio: Tensor, sample_rate: int, *, pitches: tuple[float, float], top_db: float = 80
) -> "AxesImage":
    """Draw the spectrogram of a sound on a logarithmic frequency axis, whose marks are the notes C.

    Args:
        axes: Where.
        audio: ``(samples,)`` or ``(channels, samples)``, whose mean is shown.
        sample_rate: Hz.
        pitches: Lower and upper end of the axis, MIDI numbers; see ``pitch_range``.
        top_db: Depth of the colour scale below the sound's own maximum, dB.

    Returns:
        The image, for a colour bar.
    """
    db, rows = log_spectrogram(audio, sample_rate)
    half = 0.5 / ROWS_A_SEMITONE
    extent = (0, audio.shape[-1] / sample_rate, float(rows[0]) - half, float(rows[-1]) + half)
    image = axes.imshow(db, origin="lower", aspect="auto", extent=extent, vmin=-top_db, vmax=0, cmap="magma")
    axes.set_ylim(*pitches)
    marks = [pitch for pitch in range(0, 140, 12) if pitches[0] <= pitch <= pitches[1]]
    axes.set_yticks(marks, labels=[note_name(pitch) for pitch in marks])
    return image


def plot_spectrograms(path: Path | str, sounds: Mapping[str, Tensor], *, sample_rate: int, top_db: float = 80) -> None:
    """Write a PNG (or PDF, SVG) with the spectrogram and the waveform of each sound, side by side.

    All have the same frequency axis, which ends where nothing is to be seen in any.

    Args:
        path: The picture; its suffix chooses the format.
        sounds: Title → audio ``(samples,)`` or ``(channels, samples)`` (the mean is shown), at ``sample_rate``.
        sample_rate: Hz.
        top_db: Depth of the colour scale below each sound's own maximum, dB.

    Raises:
        InputError: If the file cannot be written.
        ValueError: If matplotlib has no format of this suffix.
    """
    figure = new_figure(3.4 * len(sounds) + 1, 5.6)
    axes = figure.subplots(2, len(sounds), squeeze=False, height_ratios=(5, 1), sharex=True, sharey="row")
    peak = max(float(audio.abs().max()) for audio in sounds.values()) or 1.0
    pitches = pitch_range([*sounds.values()], sample_rate)
    for (title, audio), (spectrum, wave) in zip(sounds.items(), axes.T, strict=True):
        image = draw_spectrogram(spectrum, audio, sample_rate, pitches=pitches, top_db=top_db)
        spectrum.set_title(title, parse_math=False)
        _draw_wave(wave, audio, sample_rate)
        wave.set_ylim(-1.1 * peak, 1.1 * peak)
        wave.set_xlabel("seconds")
    axes[0, 0].set_ylabel("pitch")
    axes[1, 0].set_ylabel("amplitude")
    draw_hertz(axes[0, -1])
    figure.colorbar(image, ax=axes[0, -1], label="dB, 0 is the loudest cell")
    save_figure(figure, path)


def draw_hertz(axes: "Axes") -> None:
    """Draw a second axis in Hz to the right of one in MIDI numbers."""
    right = axes.secondary_yaxis("right")
    low, high = (pitch_to_hz(pitch) for pitch in axes.get_ylim())
    marks = [hz for hz in (50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000) if low <= hz <= high]
    right.set_yticks([hz_to_pitch(hz) for hz in marks], labels=[_hertz(hz) for hz in marks])
    right.set_ylabel("Hz")


def spectrogram_png(audio: Tensor, sample_rate: int, *, top_db: float = 80) -> bytes:
    """Return a small picture of one sound, to stand above its player: pitch over seconds.

    Args:
        audio: ``(samples,)`` or ``(channels, samples)`` (the mean is shown).
        sample_rate: Hz.
        top_db: Depth of the colour scale below the sound's own maximum, dB.

    Returns:
        A PNG on transparent ground.

    Example:
        >>> import torch
        >>> spectrogram_png(torch.randn(8000), 16000)[1:4]
        b'PNG'
    """
    figure = new_figure(2.9, 2.0, layout=None)  # the same place for the axes in all of them
    axes = figure.add_axes((0.1, 0.14, 0.87, 0.82))
    whole = LOWEST_PITCH, hz_to_pitch(sample_rate / 2)  # the same for all, which are compared with each other
    draw_spectrogram(axes, audio, sample_rate, pitches=whole, top_db=top_db)
    axes.set_xlabel("s", fontsize=7, labelpad=0)
    axes.tick_params(labelsize=7, length=2, pad=2)
    draw_on_any_ground(axes)
    return figure_png(figure, dpi=200)


def _hertz(hz: float) -> str:
    return f"{hz / 1000:g} k" if hz >= 1000 else f"{hz:g}"


def _draw_wave(axes: "Axes", audio: Tensor, sample_rate: int) -> None:
    """Draw the lowest and the highest sample of each of many short pieces of a sound."""
    mono = audio.reshape(-1, audio.shape[-1]).mean(0).detach().cpu()
    step = max(1, len(mono) // MOST_COLUMNS)
    pieces = mono[: len(mono) // step * step].reshape(-1, step)
    seconds = (np.arange(len(pieces)) + 0.5) * step / sample_rate
    axes.fill_between(seconds, pieces.amin(1).numpy(), pieces.amax(1).numpy(), color=COLOURS[0], linewidth=0.4)


def _columns(level: Array) -> Array:
    """Return at most ``MOST_COLUMNS`` columns: the loudest of several in each."""
    step = -(-level.shape[1] // MOST_COLUMNS)
    return level if step == 1 else np.maximum.reduceat(level, np.arange(0, level.shape[1], step), axis=1)


def _window_shares(pitches: Array) -> Array:
    """Return the share of each window in each row, ``(n_windows, n_rows)``; each column adds up to 1."""
    reached = [
        np.clip((pitches - hz_to_pitch(hz)) / CROSSFADE_SEMITONES + 0.5, 0, 1) if hz else np.ones(len(pitches))
        for hz, _ in WINDOWS
    ]
    return np.stack(reached) - np.stack([*reached[1:], np.zeros(len(pitches))])


def _rows(level: Array, pitches: Array, seconds: float) -> Array:
    """Return the level of each row from that of the bins: interpolated, and the loudest bin where a row holds several.

    Args:
        level: dB, ``(n_bins, n_columns)``.
        pitches: MIDI numbers of the rows.
        seconds: Length of the window; bins lie at multiples of its inverse.
    """
    edges = np.concatenate([pitches, pitches[-1:] + 1 / ROWS_A_SEMITONE]) - 0.5 / ROWS_A_SEMITONE
    places, first = pitch_to_hz(pitches) * seconds, np.ceil(pitch_to_hz(edges) * seconds).astype(int)
    below = np.minimum(places.astype(int), len(level) - 2)
    share = np.clip(places - below, 0, 1)[:, None]
    rows = (1 - share) * level[below] + share * level[below + 1]
    for row in np.flatnonzero(first[1:] - first[:-1] > 1):
        rows[row] = level[first[row] : first[row + 1]].max(0)
    return np.asarray(rows)
