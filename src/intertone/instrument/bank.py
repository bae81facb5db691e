"""Bank of latent codes of the instruments that a codec was trained on, which can be played without a recording."""

import difflib
import hashlib
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from intertone.codec import Codec, shipped_codecs
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.files import replacing
from intertone.shipped import CODECS

FILE = "instruments.npz"
"""Name of the file of the bank in a codec's folder."""
LOWEST_HZ = 20.0
"""Frequency below which notes are filtered before they are encoded."""
NEAR = 5
"""Largest number of names that an error sentence suggests."""

REASONS = {
    "valid": "which is held out from training to validate the codec",
    "test": "which is held out from training to test the codec",
    "unpitched": "whose notes have no pitch",
}
"""Reason why an instrument has no code, by the keyword in the file."""


@dataclass(frozen=True)
class InstrumentBank:
    """Latent codes of instruments.

    Attributes:
        codes: Code of each instrument by name, ``(latent_dim, n_latents)``, float32.
        refused: For each instrument without a code, a key of ``REASONS``.
        seconds: Length of the encoded notes, s; frames of the last latents after it are padding.
    """

    codes: Mapping[str, Tensor]
    refused: Mapping[str, str]
    seconds: float

    @classmethod
    def make(cls, codec: Codec, notes: Notes, *, pitches: Sequence[int]) -> Self:
        """Return the bank of the training instruments of a note set; each code is the mean over the instrument's notes.

        The velocity is unknown (NaN) to the encoder.

        Args:
            codec: The codec, trained on the training split of these instruments.
            notes: The notes, at the codec's sample rate.
            pitches: MIDI numbers of the notes that are encoded.

        Returns:
            The bank, in the order of the names.

        Raises:
            InputError: If the sample rates differ, or no training instrument has a note at one of the pitches.
        """
        if notes.sample_rate != codec.sample_rate:
            raise InputError(
                f"the notes must have the codec's sample rate, {codec.sample_rate} Hz, got {notes.sample_rate}"
            )
        names = sorted(set(notes.instrument.tolist()))
        codes, refused = {}, {}
        for name in names:
            rows = notes.select(instrument=name)
            split = str(notes.split[rows[0]])
            chosen = notes.select(instrument=name, pitch=pitches)
            if split != "train":
                refused[name] = split
            elif len(chosen):
                codes[name] = codec.encode(high_passed(notes.audio(chosen)[:, None], notes.sample_rate))[0].mean(0)
            elif not (notes.pitch[rows] >= 0).any():
                refused[name] = "unpitched"
        if not codes:
            raise InputError(f"a training instrument must have notes at {', '.join(map(str, pitches))}, got none")
        return cls(codes, refused, notes.samples / notes.sample_rate)

    @classmethod
    def read(cls, codec: str | Path) -> Self:
        """Read the bank of a codec.

        Args:
            codec: The same as for ``Codec.load``.

        Raises:
            InputError: If the codec has no bank, or the file is damaged or belongs to other weights.
        """
        path = bank_path(codec)
        try:
            with np.load(path, allow_pickle=False) as table:
                names, refused, reasons, seconds, weights = (
                    table[name].tolist() for name in ("names", "refused", "reasons", "seconds", "weights")
                )
                codes = dict(zip(names, torch.from_numpy(table["codes"].astype(np.float32)), strict=True))
                refused = dict(zip(refused, reasons, strict=True))
        except FileNotFoundError:
            raise InputError(f"a codec must have codes of instruments in {FILE}, got none for {codec}") from None
        except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} must be a table of codes, got {error}") from None
        if weights != _digest(path.parent):
            raise InputError(
                f"the codes of instruments must belong to the codec's weights, got those of other weights: {path}"
            )
        return cls(codes, refused, seconds)

    def write(self, codec: str | Path) -> None:
        """Write the bank into the folder of the codec, with codes in 16 bits and a hash of the codec's weights.

        Args:
            codec: The same as for ``Codec.load``.

        Raises:
            InputError: If the file cannot be written.
        """
        path = bank_path(codec)
        table = {
            "names": np.array([*self.codes]),
            "codes": torch.stack([*self.codes.values()]).half().numpy(),
            "refused": np.array([*self.refused], np.str_),
            "reasons": np.array([*self.refused.values()], np.str_),
            "seconds": np.array(self.seconds),
            "weights": np.array(_digest(path.parent)),
        }
        with replacing(path) as temporary, temporary.open("wb") as handle:
            np.savez_compressed(handle, allow_pickle=False, **table)

    @property
    def names(self) -> list[str]:
        """Names of the instruments that have a code, without program numbers."""
        return [_plain(name) for name in self.codes]

    def check_length(self, seconds: float) -> None:
        """Refuse a length in seconds that exceeds that of the encoded notes.

        Raises:
            InputError: If ``seconds`` is too long.
        """
        if seconds > self.seconds:
            raise InputError(f"a sound of these instruments must last {self.seconds:g} s at most, got {seconds:g} s")

    def mixture(self, text: str) -> Tensor:
        """Return the code of an instrument, or the weighted mean of the codes of several instruments.

        Args:
            text: A name, ``trumpet``, or several with their weights, ``trumpet:0.4,glockenspiel:0.6``. Weights are
                divided by their sum; a missing one is 1. The program number may precede the name.

        Returns:
            Code, ``(latent_dim, n_latents)``.

        Raises:
            InputError: If a name has no code, or a weight is not a number, negative, or all are 0.

        Example:
            >>> bank = InstrumentBank({"056-trumpet": torch.zeros(1, 1), "073-flute": torch.ones(1, 1)}, {}, 4.0)
            >>> bank.mixture("flute"), bank.mixture("trumpet:3,flute:1")
            (tensor([[1.]]), tensor([[0.2500]]))
        """
        pairs = [part.partition(":") for part in text.split(",")]
        codes = torch.stack([self._code(name) for name, _, _ in pairs])
        try:
            shares = torch.tensor([float(share) if colon else 1.0 for _, colon, share in pairs])
        except ValueError:
            raise InputError(f"instruments must be like trumpet:0.4,glockenspiel:0.6, got {text}") from None
        total = float(shares.sum())
        if not bool((shares >= 0).all()) or not 0 < total < math.inf:
            raise InputError(f"the shares of instruments must be 0 or more and not all 0, got {text}")
        return torch.einsum("n,ndt->dt", shares / total, codes)

    def _code(self, name: str) -> Tensor:
        rule = "an instrument must be one that the codec was trained on"
        wanted = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        for full, code in self.codes.items():
            if wanted in (full, _plain(full)):
                return code
        for full, reason in self.refused.items():
            if wanted in (full, _plain(full)):
                raise InputError(
                    f"an instrument must be one that the codec was trained on, got {name}, {REASONS[reason]}"
                )
        words = [one for one in self.names if wanted and wanted in one]
        near = words[:NEAR] or difflib.get_close_matches(wanted, self.names, n=NEAR)
        hint = f"did you mean {' or '.join(near)}?" if near else "intertone info names them all"
        raise InputError(f"{rule}, got {name}; {hint}")


def high_passed(sounds: Tensor, sample_rate: int) -> Tensor:
    """Return sounds, ``(..., samples)``, without what lies below ``LOWEST_HZ``.

    Some samples of the bank have a DC offset while the key is held, which the codec takes for loud noise of its lowest
    band. The filter has zero phase and falls by 24 dB an octave.
    """
    samples = sounds.shape[-1]
    spectrum = torch.fft.rfft(sounds.double(), samples + sample_rate)
    octaves = torch.arange(spectrum.shape[-1], dtype=torch.float64) * sample_rate / (samples + sample_rate) / LOWEST_HZ
    gain = octaves**4 / (1 + octaves**4)
    return torch.fft.irfft(spectrum * gain, samples + sample_rate)[..., :samples].to(sounds)


def bank_path(codec: str | Path) -> Path:
    """Return the path of a codec's bank, which need not exist, for a shipped codec's name or a folder."""
    return (CODECS / codec if codec in shipped_codecs() else Path(codec)) / FILE


def _plain(name: str) -> str:
    """Return the name of an instrument without its program number."""
    return re.sub(r"^\d+-", "", name)


def _digest(folder: Path) -> str:
    """Return the SHA-256 hash of the weights file in a codec's folder."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
