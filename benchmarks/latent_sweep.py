"""How playable the numbers of a codec of single frames are: each is moved alone, and what changes is measured.

    python benchmarks/latent_sweep.py canne NOTES

Each number goes from the 5th to the 95th percentile of the training frames' codes in 21 steps, the others those of the
frame in the middle of the corpus; all spectra have one power. Printed: Spearman's correlation of the number with the
spectral centroid, the spread, the ratio of odd to even partials and the flatness (noisiness); the largest change of
64 log-mel bands for a step of 1 % of the range, dB; and the largest of the 20 steps over their median.
"""

import argparse
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.instrument.play import played_conditions
from intertone.level import amplitude_to_db, power_to_db
from intertone.metrics.descriptor import centroid_and_spread, flatness_db
from intertone.pitch.note import pitch_to_hz
from intertone.stft import SpectrogramConfig, magnitude_to_mel, mel_filterbank

STEPS = 21
NAMES = ("centroid", "spread", "odd/even", "flatness")
MONOTONE = 0.9
FLOOR_DB = -60.0
"""Of the log-mel bands, below the loudest one."""


class Corpus(NamedTuple):
    """Codes of training frames, ``(n, latent_dim)``, and the MIDI number of the note of each."""

    codes: Tensor
    pitch: Tensor


def read_codes(codec: Codec, notes: Notes, n_notes: int) -> Corpus:
    """Return the codes of the loud frames of training notes of known pitch."""
    rows = notes.select(split="train")
    rows = rows[notes.pitch[rows] >= 0]
    rows = rows[np.linspace(0, len(rows) - 1, min(n_notes, len(rows))).astype(int)]
    codes, pitches = [], []
    for row in rows:
        audio = notes.audio([row])[:, None]
        features, context = codec.analyse(audio)
        gains = context.gains[0, 0]
        loud = gains > 0.1 * gains.max()
        latents = codec.encode_features(features, context.conditions)[0].T[loud]
        codes.append(latents)
        pitches.append(torch.full((len(latents),), float(notes.pitch[row])))
    return Corpus(torch.cat(codes), torch.cat(pitches))


def spectra(codec: Codec, codes: Tensor, conditions: dict[str, Tensor]) -> Tensor:
    """Return spectra of one power, ``(n, n_bins)``."""
    told = {name: value.expand(len(codes), -1, -1) for name, value in conditions.items()}
    magnitude = codec.decode_features(codes[..., None], told)[..., 0].clamp_min(0).double()
    return magnitude / magnitude.square().sum(1, keepdim=True).sqrt().clamp_min(1e-12)


def log_mel(magnitude: Tensor, bank: Tensor) -> Tensor:
    """Return the bands of spectra, dB, floored 60 dB below the loudest band of all."""
    mel = magnitude_to_mel(magnitude.T, bank.double())
    return amplitude_to_db(mel.clamp_min(float(mel.max()) * 10 ** (FLOOR_DB / 20)))


def odd_to_even(magnitude: Tensor, f0: float, hz: float) -> Tensor:
    """Return the power of odd partials from the third over that of even ones, dB."""
    orders = torch.arange(2, min(40, int(magnitude.shape[1] * hz / f0) - 1))
    places = (orders * f0 / hz).round().long()
    power = torch.stack([magnitude[:, place - 2 : place + 3].square().sum(1) for place in places], 1) + 1e-12
    return power_to_db(power[:, orders % 2 == 1].sum(1) / power[:, orders % 2 == 0].sum(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("codec")
    parser.add_argument("notes")
    parser.add_argument("--n-notes", type=int, default=200)
    given = parser.parse_args()
    codec, notes = Codec.load(given.codec), Notes.open(given.notes)
    corpus = read_codes(codec, notes, given.n_notes)
    low, middle, high = (torch.quantile(corpus.codes, q, 0) for q in (0.05, 0.5, 0.95))
    scaled = (corpus.codes - middle) / (high - low).clamp_min(1e-9)
    centre = int(scaled.square().sum(1).argmin())
    base, pitch = corpus.codes[centre], float(corpus.pitch[centre])
    conditions = played_conditions(codec, pitch if codec.model.decoder_needs else None, None)
    n_bins = codec.representation.n_features
    config = SpectrogramConfig(sample_rate=codec.sample_rate, n_fft=2 * (n_bins - 1), hop_length=512)
    bank = mel_filterbank(config, n_mels=64, f_min=30, f_max=codec.sample_rate / 2)
    hz = codec.sample_rate / config.n_fft
    frequencies = torch.arange(n_bins) * hz
    print(f"{len(corpus.codes)} frames; the frame in the middle is of a note at MIDI {pitch:g}")
    print("number  5 %     95 %   ", *(f"{name:>9}" for name in NAMES), " 1 % step, dB  largest / median step")
    found = 0
    for number in range(len(base)):
        values = torch.linspace(float(low[number]), float(high[number]), STEPS)
        codes = base.repeat(STEPS, 1)
        codes[:, number] = values
        finer = codes.clone()
        finer[:, number] += 0.01 * (high[number] - low[number])
        magnitude = spectra(codec, codes, conditions)
        centroid, spread = centroid_and_spread(magnitude, frequencies)
        described = (centroid, spread, odd_to_even(magnitude, pitch_to_hz(pitch), hz), flatness_db(magnitude))
        correlations = [float(spearmanr(values, each).statistic) for each in described]
        both = log_mel(torch.cat([magnitude, spectra(codec, finer, conditions)]), bank)
        image = both[:, :STEPS]
        fine = float((both[:, STEPS:] - image).abs().mean(0).max())
        steps = (image[:, 1:] - image[:, :-1]).square().mean(0).sqrt()
        ratio = float(steps.max() / steps.median().clamp_min(1e-9))
        found += max(map(abs, correlations)) >= MONOTONE
        ends = f"{float(low[number]):7.2f} {float(high[number]):7.2f}"
        print(f"{number + 1:6} {ends}", *(f"{each:9.2f}" for each in correlations), f"{fine:13.3f} {ratio:20.1f}")
    print(f"{found} of {len(base)} numbers have a correlation of at least {MONOTONE} with one of them")


if __name__ == "__main__":
    main()
