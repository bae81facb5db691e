"""Shift of the rows of harmonic features for a transposed note, whose formants may stay at their frequencies."""

import torch
from torch import Tensor, nn

from intertone.models.contract import Rows

PARTIALS_STAY, NOISE_MOVES = 0.4, 0.5
"""Initial share with which the levels of partials stay at their frequencies, and with which noise follows the pitch:
values near those that training finds."""


class RowShift(nn.Module):
    """Shift of harmonic features by the interval between two pitches.

    Rows of partials follow the pitch: with unchanged features the formants are transposed too; with shifted features
    they stay at their frequencies. Noise bands have fixed frequencies: with unchanged features the noise stays; with
    shifted features it is transposed. Most instruments are between these cases; ``part`` is the initial share of the
    shift for each row.

    Args:
        rows: Positions of the rows of partials and of noise bands.

    Example:
        >>> mover = RowShift(Rows(torch.tensor([1.0, 2.0, 4.0, 8.0]).log2(), torch.tensor([500.0, 1000.0]).log2()))
        >>> features = torch.tensor([[[1.0], [0.8], [0.6], [0.4], [0.1], [0.3]]])
        >>> mover(features, torch.tensor([1.0]))[0, :, 0]  # an octave up
        tensor([0.8000, 0.6000, 0.4000, 0.4000, 0.1000, 0.1000])
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        octaves = (rows.partials, rows.noise)
        self.n_partials = len(rows.partials)
        self.register_buffer("octaves", torch.cat(octaves).float(), persistent=False)
        self.octaves: Tensor
        shares = [
            torch.full(
                (len(places),), share, device="cpu"
            )  # on the meta device, PyTorch would import its compiler, which takes seconds
            for places, share in zip(octaves, (PARTIALS_STAY, NOISE_MOVES), strict=True)
        ]
        self.part = torch.cat(shares)

    def forward(self, features: Tensor, interval: Tensor) -> Tensor:
        """Return fully shifted features: formants stay at their frequencies, and noise is transposed.

        Args:
            features: ``(batch, n_features, n_frames)``.
            interval: Interval from their pitch to the wanted one, octaves, ``(batch,)``.

        Returns:
            Features of the same shape; positions outside the rows get the value of the outermost row.
        """
        partials, noise = self.octaves.split((self.n_partials, len(self.octaves) - self.n_partials))
        pieces = [
            _read(features[:, : self.n_partials], partials, interval),
            _read(features[:, self.n_partials :], noise, -interval),
        ]
        return torch.cat(pieces, 1)


def _read(rows: Tensor, octaves: Tensor, shift: Tensor) -> Tensor:
    """Return rows interpolated linearly at the positions ``octaves + shift``."""
    wanted = (octaves + shift[:, None]).clamp(float(octaves[0]), float(octaves[-1]))
    after = torch.searchsorted(octaves, wanted.contiguous()).clamp(1, len(octaves) - 1)
    share = ((wanted - octaves[after - 1]) / (octaves[after] - octaves[after - 1])).to(rows.dtype)
    index = after[:, :, None].expand(-1, -1, rows.shape[-1])
    return torch.lerp(rows.gather(1, index - 1), rows.gather(1, index), share[:, :, None])
