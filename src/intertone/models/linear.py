"""Linear part of an autoencoder: principal components of the means of notes and of their changes over time."""

import torch
from torch import Tensor, nn

LOUD = 0.6
"""Largest feature of a frame from which on the frame has weight 1 in the mean of a note."""
FAINT = 1e-3
"""Weight of a silent frame in the mean of a note."""
MORE = 8
"""Number of additional components that the randomised SVD computes, so that the wanted ones are accurate."""


class PrincipalComponents(nn.Module):
    """Linear autoencoder of the mean of a note and of the deviations from it.

    The mean over time, weighted by the level of each frame, is projected to ``note_dim`` numbers. The difference
    between the features and the reconstruction of the mean is projected to ``local_dim`` numbers for each block of
    frames. ``fit`` sets the weights to principal components of many notes; training continues from there. There are too
    few weights to memorise single notes.

    Args:
        n_features: Number of rows of the features.
        note_dim: Number of values for the mean of a note.
        local_dim: Number of values for each block; 0: deviations are not encoded.
        block: Number of frames of a block.

    Source:
        Pearson (1901), "On lines and planes of closest fit to systems of points in space".

    Example:
        >>> notes = torch.rand(50, 6, 1) * torch.rand(50, 1, 8)
        >>> model = PrincipalComponents(6, note_dim=6, local_dim=48, block=8)
        >>> model.fit(notes)
        >>> note, local = model.encode(notes)
        >>> note.shape, local.shape, bool((model.decode(note, local) - notes).abs().max() < 1e-3)
        (torch.Size([50, 6, 1]), torch.Size([50, 48, 1]), True)
    """

    def __init__(self, n_features: int, *, note_dim: int, local_dim: int, block: int) -> None:
        super().__init__()
        self.block = block
        self.note_in = nn.Conv1d(n_features, note_dim, 1)
        self.note_out = nn.Conv1d(note_dim, n_features, 1)
        self.local_in = nn.Conv1d(n_features, local_dim, block, block) if local_dim else None
        self.local_out = nn.ConvTranspose1d(local_dim, n_features, block, block) if local_dim else None

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the values of the note, ``(batch, note_dim, 1)``, and of its blocks, ``(batch, local_dim, n_blocks)``.

        Args:
            features: ``(batch, n_features, n_frames)``; 1 is the loudest cell. The last block is padded.
        """
        note = self.note_in(_mean(features))
        if self.local_in is None:
            return note, None
        return note, self.local_in(self._rest(features, note))

    def decode(self, note: Tensor, local: Tensor | None) -> Tensor:
        """Return the features of whole blocks, ``(batch, n_features, n_blocks · block)``.

        Args:
            note: ``(batch, note_dim, 1 or n_blocks)``; several columns are interpolated linearly over time.
            local: ``(batch, local_dim, n_blocks)``; None: no deviations.
        """
        n_blocks = note.shape[-1] if local is None else local.shape[-1]
        mean = self.note_out(note)
        if mean.shape[-1] > 1:
            mean = nn.functional.interpolate(mean, scale_factor=float(self.block), mode="linear")
        else:
            mean = mean.expand(-1, -1, n_blocks * self.block)
        features: Tensor = mean if self.local_out is None or local is None else mean + self.local_out(local)
        return features

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Set the weights to the principal components of notes, scaled so that codes have a mean square of 1.

        Args:
            features: Features of the notes, ``(notes, n_features, n_frames)``.
        """
        weight, shift, scale = _components(_mean(features)[..., 0], self.note_in.out_channels)
        _set(self.note_in, weight[:, :, None] / scale, -(weight @ shift) / scale)
        _set(self.note_out, weight.T[:, :, None] * scale, shift)
        if self.local_in is None or self.local_out is None:
            return
        rest = self._rest(features, self.note_in(_mean(features)))
        blocks = rest.unflatten(-1, (-1, self.block)).transpose(1, 2).flatten(2).flatten(0, 1)
        weight, _, scale = _components(blocks, self.local_in.out_channels)
        weight = weight.reshape(len(weight), features.shape[1], self.block)
        _set(self.local_in, weight / scale, torch.zeros(len(weight)))
        _set(self.local_out, weight * scale, torch.zeros(features.shape[1]))

    def _rest(self, features: Tensor, note: Tensor) -> Tensor:
        rest = features - self.note_out(note)
        return nn.functional.pad(rest, (0, -features.shape[-1] % self.block))


def _mean(features: Tensor) -> Tensor:
    loud = (features.amax(1, keepdim=True) / LOUD).clamp(0, 1).square() + FAINT
    return (features * loud).sum(-1, keepdim=True) / loud.sum(-1, keepdim=True)


def _set(layer: nn.Conv1d | nn.ConvTranspose1d, weight: Tensor, bias: Tensor) -> None:
    assert layer.bias is not None
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)


def _components(rows: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the first principal components, ``(count, size)``, the mean, and the RMS of the projected values."""
    shift = rows.mean(0)
    size = min(count, *rows.shape)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        found = torch.svd_lowrank((rows - shift).cpu(), q=min(size + MORE, *rows.shape), niter=4)[2][:, :size].T
    weight = rows.new_zeros(count, rows.shape[1])
    weight[:size] = found
    return weight, shift, ((rows - shift) @ weight.T).square().mean().sqrt().clamp_min(1e-6)
