"""Spectrograms on a logarithmic frequency axis with note names."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.nn.functional import pad

from intertone.downmix import mix_to_mono
from intertone.level import amplitude_to_db, db_to_power
from intertone.pitch.note import hz_to_pitch, note_name, pitch_to_hz
from intertone.plot.figure import COLOURS, draw_on_any_ground, figure_png, new_figure, save_figure
from intertone.stft import SpectrogramConfig, stft

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

WINDOWS = ((0.0, 0.186), (200.0, 0.093), (800.0, 0.046))
"""Lowest frequency in Hz and length in seconds of each STFT window. Long windows separate low partials, short ones
resolve attacks."""

CROSSFADE_SEMITONES = 12.0
"""Range around each of these frequencies over which two windows are crossfaded."""

ROWS_A_SEMITONE = 4
"""Number of rows of a spectrogram per semitone."""

MOST_COLUMNS = 1200
"""Largest number of columns of a spectrogram; a column of a longer sound shows the loudest of several frames."""

AUDIBLE_DB, RUMBLE_DB = 65.0, 40.0
"""Limits below the loudest row, in dB, that determine the displayed range: its top is the highest row within the first
limit, its bottom the lowest row within the second. The second is smaller so that rumble below a note's fundamental is
not displayed."""

MARGIN, LEAST_RANGE = 2.0, 36.0
"""Margin below and above the sound, and smallest displayed range, in semitones."""

LOWEST_PITCH = 21.0
"""MIDI number of the lowest row, A0."""

Array = npt.NDArray[np.floating]


def log_spectrogram(audio: Tensor, sample_rate: int) -> tuple[Array, Array]:
    """Return the level of a sound over pitch and time.

    Args:
        audio: ``(samples,)`` or ``(channels, samples)``; the mean of the channels is analysed.
        sample_rate: Hz.

    Returns:
        Levels in dB relative to the loudest cell, ``(n_rows, n_columns)``, at least −200, and the pitch of each row as
        a MIDI number, ``(n_rows,)``, from A0 to half the sample rate. Silence is −200 dB everywhere.

    Example:
        >>> import torch
        >>> db, pitches = log_spectrogram(torch.sin(2 * torch.pi * 440 * torch.arange(16000) / 16000), 16000)
        >>> float(pitches[db[:, 30].argmax()])
        69.0
    """
    mono = mix_to_mono(audio).detach().cpu().float()
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
    """Return the lowest and the highest pitch that a spectrogram of some sounds must display, as MIDI numbers.

    Args:
        sounds: Sounds, each ``(samples,)`` or ``(channels, samples)``.
        sample_rate: Hz.

    Returns:
        Both limits; the whole range for silence.
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
    """Draw the spectrogram of a sound on a logarithmic frequency axis with a tick at every C.

    Args:
        axes: The axes to draw on.
        audio: ``(samples,)`` or ``(channels, samples)``; the mean of the channels is displayed.
        sample_rate: Hz.
        pitches: Lower and upper end of the frequency axis as MIDI numbers, see ``pitch_range``.
        top_db: Range of the colour scale below the maximum of the sound, dB.

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
    """Write a PNG, PDF or SVG file with the spectrogram and the waveform of each sound, side by side.

    All spectrograms have the same frequency axis, which covers the range of ``pitch_range``.

    Args:
        path: Path of the file; its suffix determines the format.
        sounds: Title → audio, ``(samples,)`` or ``(channels, samples)``; the mean of the channels is displayed.
        sample_rate: Hz.
        top_db: Range of the colour scale below the maximum of each sound, dB.

    Raises:
        InputError: If the file cannot be written.
        ValueError: If matplotlib does not know the suffix.
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
    """Add an axis in Hz on the right side of axes whose vertical axis is in MIDI numbers."""
    right = axes.secondary_yaxis("right")
    low, high = (pitch_to_hz(pitch) for pitch in axes.get_ylim())
    marks = [hz for hz in (50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000) if low <= hz <= high]
    right.set_yticks([hz_to_pitch(hz) for hz in marks], labels=[_hertz(hz) for hz in marks])
    right.set_ylabel("Hz")


def spectrogram_png(audio: Tensor, sample_rate: int, *, top_db: float = 80) -> bytes:
    """Return a small spectrogram of one sound, pitch over seconds, for a page with audio players.

    Args:
        audio: ``(samples,)`` or ``(channels, samples)``; the mean of the channels is displayed.
        sample_rate: Hz.
        top_db: Range of the colour scale below the maximum of the sound, dB.

    Returns:
        A PNG with a transparent background.

    Example:
        >>> import torch
        >>> spectrogram_png(torch.randn(8000), 16000)[1:4]
        b'PNG'
    """
    figure = new_figure(2.9, 2.0, layout=None)  # without a layout, the axes have the same position in all pictures
    axes = figure.add_axes((0.1, 0.14, 0.87, 0.82))
    whole = LOWEST_PITCH, hz_to_pitch(sample_rate / 2)  # the same range for all pictures makes them comparable
    draw_spectrogram(axes, audio, sample_rate, pitches=whole, top_db=top_db)
    axes.set_xlabel("s", fontsize=7, labelpad=0)
    axes.tick_params(labelsize=7, length=2, pad=2)
    draw_on_any_ground(axes)
    return figure_png(figure, dpi=200)


def _hertz(hz: float) -> str:
    return f"{hz / 1000:g} k" if hz >= 1000 else f"{hz:g}"


def _draw_wave(axes: "Axes", audio: Tensor, sample_rate: int) -> None:
    """Draw the waveform of a sound as the range from the lowest to the highest sample of many short segments."""
    mono = mix_to_mono(audio).detach().cpu()
    step = max(1, len(mono) // MOST_COLUMNS)
    pieces = mono[: len(mono) // step * step].reshape(-1, step)
    seconds = (np.arange(len(pieces)) + 0.5) * step / sample_rate
    axes.fill_between(seconds, pieces.amin(1).numpy(), pieces.amax(1).numpy(), color=COLOURS[0], linewidth=0.4)


def _columns(level: Array) -> Array:
    """Return the levels in at most ``MOST_COLUMNS`` columns, each the maximum of several."""
    step = -(-level.shape[1] // MOST_COLUMNS)
    return level if step == 1 else np.maximum.reduceat(level, np.arange(0, level.shape[1], step), axis=1)


def _window_shares(pitches: Array) -> Array:
    """Return the weight of each window in each row, ``(n_windows, n_rows)``; the weights of a row have the sum 1."""
    reached = [
        np.clip((pitches - hz_to_pitch(hz)) / CROSSFADE_SEMITONES + 0.5, 0, 1) if hz else np.ones(len(pitches))
        for hz, _ in WINDOWS
    ]
    return np.stack(reached) - np.stack([*reached[1:], np.zeros(len(pitches))])


def _rows(level: Array, pitches: Array, seconds: float) -> Array:
    """Return the level of each row from that of the STFT bins.

    The levels of bins are interpolated linearly; a row that covers several bins has the level of the loudest one.

    Args:
        level: Levels of the bins, dB, ``(n_bins, n_columns)``.
        pitches: MIDI numbers of the rows.
        seconds: Length of the window; the bins are at multiples of its inverse in Hz.
    """
    edges = np.concatenate([pitches, pitches[-1:] + 1 / ROWS_A_SEMITONE]) - 0.5 / ROWS_A_SEMITONE
    places, first = pitch_to_hz(pitches) * seconds, np.ceil(pitch_to_hz(edges) * seconds).astype(int)
    below = np.minimum(places.astype(int), len(level) - 2)
    share = np.clip(places - below, 0, 1)[:, None]
    rows = (1 - share) * level[below] + share * level[below + 1]
    for row in np.flatnonzero(first[1:] - first[:-1] > 1):
        rows[row] = level[first[row] : first[row + 1]].max(0)
    return np.asarray(rows)
