"""Change of features of partials and noise when the note is transposed and its formants are not, or only half."""

import torch
from torch import Tensor, nn

from intertone.models.contract import Rows

PARTIALS_STAY, NOISE_MOVES = 0.4, 0.5
"""Shares by which an untrained model leaves partials where they were and moves noise: near the best in training."""


class RowShift(nn.Module):
    """Moves the rows of features by the interval between two pitches.

    The rows of partials follow the pitch: left as they are, formants move with it. Read at other rows, they stay
    where they were. Rows of noise lie at frequencies: left as they are, noise stays; read at other rows, it moves.
    Most instruments lie between: ``part`` says how much of this difference is a good beginning, row by row.

    Args:
        rows: Where the rows of partials and those of noise lie.

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
            torch.full((len(places),), share, device="cpu")  # on "meta", PyTorch would import its compiler, for seconds
            for places, share in zip(octaves, (PARTIALS_STAY, NOISE_MOVES), strict=True)
        ]
        self.part = torch.cat(shares)

    def forward(self, features: Tensor, interval: Tensor) -> Tensor:
        """Return features whose partials stay at their frequencies and whose noise does not.

        Args:
            features: ``(batch, n_features, n_frames)``.
            interval: Octaves from their pitch to the wanted one, ``(batch,)``.

        Returns:
            Of the same shape; rows beyond the outermost are as these.
        """
        partials, noise = self.octaves.split((self.n_partials, len(self.octaves) - self.n_partials))
        pieces = [
            _read(features[:, : self.n_partials], partials, interval),
            _read(features[:, self.n_partials :], noise, -interval),
        ]
        return torch.cat(pieces, 1)


def _read(rows: Tensor, octaves: Tensor, shift: Tensor) -> Tensor:
    """Return rows read at ``octaves + shift``, between two linearly."""
    wanted = (octaves + shift[:, None]).clamp(float(octaves[0]), float(octaves[-1]))
    after = torch.searchsorted(octaves, wanted.contiguous()).clamp(1, len(octaves) - 1)
    share = ((wanted - octaves[after - 1]) / (octaves[after] - octaves[after - 1])).to(rows.dtype)
    index = after[:, :, None].expand(-1, -1, rows.shape[-1])
    return torch.lerp(rows.gather(1, index - 1), rows.gather(1, index), share[:, :, None])
