"""Pictures: spectrograms side by side."""

import math
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from intertone.files import replacing
from intertone.stft import SpectrogramConfig, magnitude_to_db, stft


def plot_spectrograms(path: Path | str, sounds: Mapping[str, Tensor], *, sample_rate: int, top_db: float = 80) -> None:
    """Write a PNG (or PDF, SVG) with the spectrogram and the waveform of each sound, side by side.

    Args:
        path: The picture; its suffix chooses the format.
        sounds: Title → audio ``(samples,)`` or ``(channels, samples)`` (the mean is shown), at ``sample_rate``.
        sample_rate: Hz.
        top_db: Depth of the colour scale below each sound's own maximum, dB.

    Raises:
        InputError: If the file cannot be written.
        ValueError: If matplotlib has no format of this suffix.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    n_fft = 2 ** max(6, round(math.log2(sample_rate * 0.064)))
    config = SpectrogramConfig(sample_rate=sample_rate, n_fft=n_fft, hop_length=n_fft // 4)
    figure = Figure(figsize=(3.6 * len(sounds), 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(sounds), squeeze=False, height_ratios=(4, 1), sharex=True)
    image = None
    peak = max(float(audio.abs().max()) for audio in sounds.values()) or 1.0
    for column, (title, audio) in enumerate(sounds.items()):
        mono = audio.reshape(-1, audio.shape[-1]).mean(0).detach().cpu()
        seconds = len(mono) / sample_rate
        magnitude = stft(mono, config).abs()
        db = magnitude_to_db(magnitude, float(magnitude.max()) or 1.0, top_db=top_db)
        spectrum, wave = axes[:, column]
        image = spectrum.imshow(
            db.numpy(),
            origin="lower",
            aspect="auto",
            extent=(0, seconds, 0, sample_rate / 2000),
            vmin=-top_db,
            vmax=0,
            cmap="magma",
        )
        spectrum.set_title(title, parse_math=False)
        step = max(1, len(mono) // 8000)
        wave.plot([index / sample_rate for index in range(0, len(mono), step)], mono[::step].numpy(), linewidth=0.4)
        wave.set_ylim(-1.1 * peak, 1.1 * peak)
        wave.set_xlabel("seconds")
    axes[0, 0].set_ylabel("kHz")
    axes[1, 0].set_ylabel("amplitude")
    if image is not None:
        figure.colorbar(image, ax=axes[0, -1], label="dB")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None} if path.suffix == ".png" else None)
