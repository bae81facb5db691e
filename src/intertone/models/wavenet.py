"""WaveNet autoencoder of NSynth: a wide encoder of the waveform, and a narrow decoder that draws sample by sample."""

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn

from intertone.config import Settings
from intertone.errors import InputError
from intertone.models.contract import NO_CONDITIONS, Batch, Conditions, Facts, Model, Reading, Scale
from intertone.models.wavenet_block import WaveNetBlock

LEVELS = 256
"""Number of quantised values of a sample in the decoder."""
KERNEL = 3
"""Kernel size of the dilated convolutions."""
FIRST_RATE = 20.0
"""Initial decrease of a logit per unit of distance from the previous sample, nats: half of the probability is then
within 9 classes."""
LARGEST_LOG_RATE = 7.0
"""Largest logarithm of this rate; the logits of two neighbouring values then differ by 8 nats."""

Array = npt.NDArray[np.float32]


class WaveNetConfig(Settings):
    """Settings of encoder and decoder. The encoder's defaults are NSynth's; NSynth's decoder is 150 times as large."""

    kind: Literal["wavenet"] = "wavenet"
    channels: int = Field(128, ge=1, le=65536, description="channels of the encoder")
    blocks: int = Field(30, ge=1, le=256, description="residual blocks of the encoder")
    cycle: int = Field(10, ge=1, le=14, description="number of blocks after which the dilations 1, 2, 4, … begin again")
    latent_dim: int = Field(16, ge=1, le=65536, description="dimensions of a latent vector")
    frames_per_latent: int = Field(512, ge=1, description="number of samples over which a latent vector is averaged")
    decoder_channels: int = Field(40, ge=1, le=65536, description="channels of the decoder")
    decoder_blocks: int = Field(20, ge=1, le=256, description="residual blocks of the decoder, with the same cycle")
    skip_channels: int = Field(128, ge=1, le=65536, description="channels of the decoder's skip connections")

    def dilations(self, blocks: int) -> list[int]:
        """Return the dilation of each block, samples.

        Example:
            >>> WaveNetConfig(cycle=3).dilations(5)
            [1, 2, 4, 1, 2]
        """
        return [2 ** (number % self.cycle) for number in range(blocks)]


class WaveNetAutoencoder(Model):
    """Autoencoder with one latent vector for each 512 samples of a waveform, and an autoregressive decoder.

    The encoder is not causal; its output is averaged over time. The decoder predicts the class of each sample, one of
    256, from the previous samples and the code. In training the previous samples are those of the target. In decoding
    each sample is drawn and becomes an input of the next prediction. All rows of a batch use the same random numbers,
    so that equal rows stay equal; without a generator, the median of each distribution is taken. ``decode`` has no
    gradient.

    The logit of a value is an output of the last layer, minus a rate times the distance of the value from a centre.
    Rate and centre are outputs of the last layer too; the centre is relative to the previous sample. Thus even an
    untrained decoder predicts samples near the previous one.

    Features are −1…1. The decoder rounds them to 256 values with a step of 1/128, including 0; the encoder does not
    round them, so that they get a gradient.

    Args:
        config: Settings of the layers.
        n_features: Number of rows of the features, which must be 1.

    Raises:
        InputError: If ``n_features`` is not 1.

    Source:
        Engel et al. (2017), "Neural audio synthesis of musical notes with WaveNet autoencoders", and its published code
        for the encoder's layers. The decoder has the same parts with far fewer channels; the centre is an addition.

    Example:
        >>> model = WaveNetAutoencoder(WaveNetConfig(channels=4, blocks=2, decoder_blocks=2, frames_per_latent=8), 1)
        >>> latents = model.encode(torch.rand(3, 1, 30))
        >>> latents.shape, model.decode(latents).shape, model.encode_reach
        (torch.Size([3, 16, 4]), torch.Size([3, 1, 32]), 4)
    """

    decode_reach = None
    """A decoded sample depends on all previous ones."""

    def __init__(self, config: WaveNetConfig, n_features: int) -> None:
        super().__init__()
        if n_features != 1:
            raise InputError(f"a wavenet must be given a waveform, features of one row, got {n_features} rows")
        self.config = config
        self.n_features = n_features
        self.latent_dim = config.latent_dim
        self.frames_per_latent = config.frames_per_latent
        dilations = config.dilations(config.blocks)
        self.encode_reach = KERNEL // 2 * (1 + sum(dilations))
        self.start = nn.Conv1d(1, config.channels, KERNEL, padding=KERNEL // 2)
        self.blocks = nn.ModuleList(WaveNetBlock(config.channels, dilation, width=KERNEL) for dilation in dilations)
        self.to_latents = nn.Conv1d(config.channels, config.latent_dim, 1)
        self.decoder = _Decoder(config)

    def encode(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
        """Return the code of a waveform; the last vector is the mean over the remaining samples.

        Args:
            features: ``(batch, 1, n_frames)``, −1…1.
            conditions: Not needed.

        Returns:
            Latents ``(batch, latent_dim, n_latents)``.

        Raises:
            ValueError: If the features have more than one row.
        """
        self.check_features(features)
        trunk = self._first(features)
        for block in self.blocks:
            trunk = block(trunk)
        return self._pooled(trunk)

    def activations(
        self, features: Tensor, conditions: Conditions = NO_CONDITIONS, *, layers: Collection[str] = ()
    ) -> dict[str, Tensor]:
        """Return the activations of the encoder by name, with gradient: three of each block, and ``latents``.

        For block ``n``, counted from 1, ``block.n.a`` is the input of its dilated convolution and ``block.n.b`` the
        output, both after a ReLU; ``block.n.c`` is the sum of the block's input and output. Each is
        ``(batch, channels, n_frames)``. If ``layers`` is given, blocks after the deepest of them are not computed.
        """
        self.check_features(features)
        found: dict[str, Tensor] = {}
        for name, value in self._activations(features):
            if not layers or name in layers or name == "latents":
                found[name] = value
            if layers and found.keys() >= set(layers):
                break
        return found

    def _activations(self, features: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield names and values of ``activations``, computing each value only when it is requested."""
        trunk = self._first(features)
        for number, block in enumerate(self.blocks, 1):
            assert isinstance(block, WaveNetBlock)
            before = trunk.relu()
            yield f"block.{number}.a", before.squeeze(2)
            after = block.dilated(before).relu_()
            yield f"block.{number}.b", after.squeeze(2)
            trunk = block.mix(after).add_(trunk)
            yield f"block.{number}.c", trunk.squeeze(2)
        yield "latents", self._pooled(trunk)

    def _first(self, features: Tensor) -> Tensor:
        """Return the input of the first block in the blocks' layout, ``(batch, channels, 1, n_frames)``."""
        maps: Tensor = self.start(features).unsqueeze(2)
        return maps.contiguous(memory_format=torch.channels_last)

    def logits(self, latents: Tensor, features: Tensor) -> Tensor:
        """Return the logits of the class of each sample, given the code and the previous samples.

        Args:
            latents: ``(batch, latent_dim, n_latents)``.
            features: The samples, ``(batch, 1, n_frames)``, at most ``n_latents · frames_per_latent``.

        Returns:
            Logits, ``(batch, 256, n_frames)``.
        """
        return self.decoder(latents, values(classes(features)))  # type: ignore[no-any-return]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the cross-entropy of the class of each sample, bits, given the previous samples of the target."""
        logits = self.logits(self.encode(batch.features, batch.conditions), batch.target)
        nats = nn.functional.cross_entropy(logits.float(), classes(batch.target).squeeze(1))
        return {"cross_entropy": nats / math.log(2)}

    def reading(self, loss: float, scales: Sequence[Scale]) -> Reading:
        """Return the cross-entropy, bits per sample; it is 8 for equal probabilities."""
        return Reading("bits", loss, "bits", "cross-entropy")

    def is_silent(self, batch: Batch) -> bool:
        """Return False, since an untrained decoder draws noise and never silence."""
        return False

    def facts(self) -> Facts:
        """Return the main settings of the layers, by name."""
        config = self.config
        return {
            "layers": config.blocks,
            "channels": config.channels,
            "receptive_field": 2 * (self.encode_reach or 0) + 1,
            "decoder_layers": config.decoder_blocks,
            "decoder_channels": config.decoder_channels,
        }

    def _pooled(self, trunk: Tensor) -> Tensor:
        """Return the code: the output of the last block, projected and averaged over time."""
        return nn.functional.avg_pool1d(self.to_latents(trunk.squeeze(2)), self.frames_per_latent, ceil_mode=True)

    def _decode(self, latents: Tensor, conditions: Conditions, generator: torch.Generator | None) -> Tensor:
        """Return samples that are drawn one after the other."""
        n_frames = latents.shape[-1] * self.frames_per_latent
        if generator is None:
            drawn = torch.full((n_frames,), 0.5)
        else:
            drawn = torch.rand(n_frames, generator=generator, device=generator.device)
        sampler = WaveNetSampler(self, latents)
        samples = np.zeros((n_frames, len(latents)), np.float32)
        before = np.zeros(len(latents), np.float32)
        for number, place in enumerate(drawn.tolist()):
            before = samples[number] = _quantile(sampler.step(before), place)
        return torch.from_numpy(samples.T.copy()).to(latents.device).unsqueeze(1)


class WaveNetSampler:
    """Decoder that computes one sample at a time; every layer stores its recent inputs.

    It uses numpy, since a step consists of a few dozen products of small matrices, for which torch's overhead is
    larger.

    Args:
        model: The autoencoder.
        latents: The code, ``(batch, latent_dim, n_latents)``.
    """

    @torch.no_grad()
    def __init__(self, model: WaveNetAutoencoder, latents: Tensor) -> None:
        decoder, config, n_rows = model.decoder, model.config, len(latents)
        self.time, self.frames_per_latent = 0, config.frames_per_latent
        self.width = width = config.decoder_channels
        self.start = _matrix(decoder.start)
        self.first_skip = _matrix(decoder.first_skip)
        self.hidden, self.last = _matrix(decoder.hidden), _matrix(decoder.last)
        half = torch.ones(2 * width).index_fill(0, torch.arange(width), 0.5)  # sigmoid(x) = (1 + tanh(x / 2)) / 2
        told = decoder.told(latents)
        self.gates, self.mixes = [], []
        parts = told.split([2 * width] * config.decoder_blocks + [config.skip_channels], 1)
        for gate, mix in zip(decoder.gates, decoder.mixes, strict=True):
            assert isinstance(gate, nn.Conv1d) and isinstance(mix, nn.Conv1d)
            weight, bias = _matrix(gate)
            factor = half.numpy()
            self.gates.append((weight * factor, bias * factor))
            weight, bias = _matrix(mix)
            self.mixes.append((0.5 * weight, bias))
        self.told = [_columns(part * half[:, None].to(part)) for part in parts[:-1]]
        self.told_last = _columns(parts[-1])
        self.values = values(torch.arange(LEVELS)).numpy()
        self.recent = np.zeros((n_rows, KERNEL), np.float32)
        dilations = config.dilations(config.decoder_blocks)
        self.kept = [np.zeros((2 * dilation, n_rows, width), np.float32) for dilation in dilations]
        self.seen = np.zeros((n_rows, KERNEL * width), np.float32)

    def step(self, before: Array) -> Array:
        """Return the logits of the next sample.

        Args:
            before: The previous sample, ``(batch,)``; 0 for the first.

        Returns:
            Logits, ``(batch, 256)``.
        """
        width, seen, vector = self.width, self.seen, self.time // self.frames_per_latent
        self.recent[:, :-1] = self.recent[:, 1:]
        self.recent[:, -1] = before
        trunk = self.recent @ self.start[0] + self.start[1]
        total = trunk @ self.first_skip[0] + self.first_skip[1]
        layers = zip(self.gates, self.mixes, self.told, self.kept, strict=True)
        for (gate, gate_bias), (mix, mix_bias), told, kept in layers:
            oldest = self.time % len(kept)
            seen[:, :width] = kept[oldest]
            seen[:, width : 2 * width] = kept[oldest - len(kept) // 2]
            seen[:, 2 * width :] = kept[oldest] = trunk
            opened = np.tanh(seen @ gate + (told[vector] + gate_bias))
            mixed = (opened[:, :width] + 1) * opened[:, width:] @ mix + mix_bias
            trunk = trunk + mixed[:, :width]
            total += mixed[:, width:]
        self.time += 1
        hidden = np.maximum(total, 0) @ self.hidden[0] + self.hidden[1] + self.told_last[vector]
        given = np.maximum(hidden, 0) @ self.last[0] + self.last[1]
        distance = np.abs(self.values - (before + given[:, -2])[:, None])
        logits: Array = given[:, :LEVELS] - np.exp(np.minimum(given[:, -1:], LARGEST_LOG_RATE)) * distance
        return logits


class _Decoder(nn.Module):
    """Causal gated dilated convolutions, conditioned on the code, that give the logits of the classes."""

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__()
        width, skip, blocks = config.decoder_channels, config.skip_channels, config.decoder_blocks
        self.config = config
        self.start = nn.Conv1d(1, width, KERNEL)
        self.first_skip = nn.Conv1d(width, skip, 1)
        dilations = config.dilations(blocks)
        self.gates = nn.ModuleList(nn.Conv1d(width, 2 * width, KERNEL, dilation=dilation) for dilation in dilations)
        self.mixes = nn.ModuleList(nn.Conv1d(width, width + skip, 1) for _ in dilations)
        # the name of this layer, which conditions the blocks on the code, is a key of saved weights
        self.told = nn.Conv1d(config.latent_dim, 2 * width * blocks + skip, 1, bias=False)
        self.hidden = nn.Conv1d(skip, skip, 1)
        self.last = nn.Conv1d(skip, LEVELS + 2, 1)
        assert self.last.bias is not None
        nn.init.constant_(self.last.bias[-1], math.log(FIRST_RATE))

    def forward(self, latents: Tensor, samples: Tensor) -> Tensor:
        """Return the logits of each sample; each latent vector is repeated for its ``frames_per_latent`` samples."""
        width, skip, n_frames = self.config.decoder_channels, self.config.skip_channels, samples.shape[-1]
        # padded so that the first convolution sees only previous samples
        trunk = self.start(nn.functional.pad(samples, (KERNEL, -1)))
        total = self.first_skip(trunk)
        *told, told_last = self.told(latents).split([2 * width] * self.config.decoder_blocks + [skip], 1)
        for gate, mix, own in zip(self.gates, self.mixes, told, strict=True):
            assert isinstance(gate, nn.Conv1d)
            seen = nn.functional.pad(trunk, ((KERNEL - 1) * gate.dilation[0], 0))
            opened, wave = (gate(seen) + self._repeated(own, n_frames)).chunk(2, 1)
            deeper, shown = mix(opened.sigmoid() * wave.tanh()).split((width, skip), 1)
            trunk, total = trunk + deeper, total + shown
        hidden = self.hidden(total.relu()) + self._repeated(told_last, n_frames)
        free, offset, log_rate = self.last(hidden.relu()).float().split((LEVELS, 1, 1), 1)
        centre = nn.functional.pad(samples, (1, -1)) + offset
        distance = (values(torch.arange(LEVELS, device=centre.device))[:, None] - centre).abs()
        logits: Tensor = free - log_rate.clamp_max(LARGEST_LOG_RATE).exp() * distance
        return logits

    def _repeated(self, vectors: Tensor, n_frames: int) -> Tensor:
        return vectors.repeat_interleave(self.config.frames_per_latent, -1)[..., :n_frames]


def classes(features: Tensor) -> Tensor:
    """Return the class of each sample, 0…255: that of the nearest of the 256 values.

    Args:
        features: Any shape, −1…1.

    Returns:
        Integers of the same shape.

    Example:
        >>> classes(torch.tensor([-1.0, 0.0, 0.01, 1.0]))
        tensor([  0, 128, 129, 255])
    """
    half = LEVELS // 2
    return (features.float() * half).round().long().clamp(-half, half - 1) + half


def values(indices: Tensor) -> Tensor:
    """Return the value of each class, −1…127/128.

    Example:
        >>> values(torch.tensor([0, 128, 255]))
        tensor([-1.0000,  0.0000,  0.9922])
    """
    half = LEVELS // 2
    return (indices - half) / half


def _quantile(logits: Array, place: float) -> Array:
    """Return the quantile ``place`` (0…1) of each distribution, ``(batch,)``."""
    shares = np.exp(logits - logits.max(1, keepdims=True)).cumsum(1)
    indices = (shares < place * shares[:, -1:]).sum(1)
    half = LEVELS // 2
    drawn: Array = ((indices - half) / half).astype(np.float32)
    return drawn


def _matrix(layer: nn.Conv1d) -> tuple[Array, Array]:
    """Return a convolution's weights as a matrix over its inputs, the oldest first, and its bias."""
    assert layer.bias is not None
    weight = layer.weight.detach().float().cpu().permute(2, 1, 0).flatten(0, 1)
    return weight.contiguous().numpy(), layer.bias.detach().float().cpu().numpy()


def _columns(vectors: Tensor) -> Array:
    """Return ``(batch, size, n_latents)`` as an array ``(n_latents, batch, size)``."""
    columns: Array = vectors.detach().float().cpu().permute(2, 0, 1).contiguous().numpy()
    return columns
