"""Codec: a representation and a model, which are trained, saved and loaded together."""

import math
from itertools import chain
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from intertone.audio import three_axes
from intertone.config import Settings
from intertone.container import MAX_CHANNELS
from intertone.errors import InputError
from intertone.level import check_peak
from intertone.models import Conditions, Model, ModelConfig, build_model
from intertone.models.block import decode_in_blocks, encode_in_blocks
from intertone.models.contract import CONDITION_SIZES, NO_CONDITIONS
from intertone.models.weights import load_weights, save_network
from intertone.phase import PhaseConfig
from intertone.pitch.note import hz_to_pitch
from intertone.pitch.path import median_f0
from intertone.remark import RemarkLogger
from intertone.representation import Analysis, AnyRepresentation, Context, RepresentationConfig, build_representation
from intertone.shipped import CODECS, find_network, shipped_names

logger = RemarkLogger(__name__)

PITCH_OF_NONE = 69.0
"""Pitch on which a model is conditioned for sounds without a pitch, as a MIDI number: A4."""


MAX_WARNING = 1000
"""Largest number of characters of ``CodecConfig.warning``."""


UNUSED = frozenset({"activations", "reading", "facts", "compact", "code_size", "is_silent", "loss", "forward"})
"""Members of ``Model`` that only training, reports and style transfer use, so a caller's model may lack them."""


class CodecConfig(Settings):
    """Content of a codec's ``config.json``. ``warning`` is the fault that training has found, or empty."""

    later: ClassVar[frozenset[str]] = frozenset({"warning"})

    format: Literal[1] = 1
    representation: RepresentationConfig
    model: ModelConfig
    warning: str = Field("", max_length=MAX_WARNING)


class Codec:
    """Encoder and decoder between audio and latents: a representation, a model, and the settings of both.

    Example:
        >>> from intertone.models import ConvConfig
        >>> from intertone.representation import DecibelConfig
        >>> config = CodecConfig(representation=DecibelConfig(), model=ConvConfig())
        >>> codec = Codec(config)
        >>> latents, context = codec.encode(torch.randn(1, 64000))
        >>> latents.shape, codec.decode(latents, context).shape
        (torch.Size([1, 256, 8]), torch.Size([1, 64000]))
    """

    def __init__(self, config: CodecConfig, model: Model | None = None) -> None:
        self.config = config
        self.representation: AnyRepresentation = build_representation(config.representation)
        if model is None:
            shown = self.representation
            model = build_model(
                config.model, n_features=shown.n_features, rows=shown.rows, frequencies=shown.frequencies
            )
        _check_model(model, self.representation.n_features)
        self.model = model.eval()

    @property
    def sample_rate(self) -> int:
        """Sample rate of input and output audio, Hz."""
        return self.representation.sample_rate

    @property
    def device(self) -> torch.device:
        """Device of the model's parameters."""
        return next(
            (value.device for value in chain(self.model.parameters(), self.model.buffers())), torch.device("cpu")
        )

    @property
    def fixed_length(self) -> int | None:
        """Number of samples of the only length that the codec accepts; None: it accepts any length."""
        n_frames = self.model.n_frames
        return None if n_frames is None else self.representation.samples(n_frames)

    @classmethod
    def load(cls, codec: str | Path, *, device: str = "cpu") -> Self:
        """Read a codec.

        Args:
            codec: A shipped name (``thesis``) or the path of a folder with ``config.json`` and ``model.safetensors``.
            device: Device of the model: ``cpu``, ``cuda``, …

        Returns:
            The codec, in evaluation mode.

        Raises:
            InputError: If there is no such codec, or its files are broken or do not fit each other.
        """
        folder = find_network(codec, shipped=CODECS, kind="codec")
        config = CodecConfig.read(folder / "config.json")
        loaded = cls(config)
        load_weights(folder, loaded.model, device=device)
        if config.warning:
            logger.warning("the codec %s is faulty: %s", codec, config.warning)
        return loaded

    def compact(self) -> "Codec":
        """Return an equivalent codec with fewer weights, or this codec if the model has no smaller form."""
        if (found := self.model.compact()) is None:
            return self
        content = self.config.model_dump(mode="json") | {"model": found[0].model_dump(mode="json")}
        return Codec(CodecConfig.parse(content), found[1])

    def save(self, folder: Path | str, *, card: str, half: bool = False) -> None:
        """Write the codec's folder: ``config.json``, ``model.safetensors`` and the model card ``README.md``.

        Args:
            folder: Folder of the codec. It is made if it does not exist; an existing codec is replaced file by file.
            card: Text of the model card.
            half: Whether the weights are stored in 16 bits.

        Raises:
            InputError: If the folder cannot be written.
        """
        save_network(folder, self.config, self.model, card=card, half=half)

    @torch.inference_mode()
    def encode(self, audio: Tensor) -> tuple[Tensor, Context]:
        """Return the latent code of sounds, and the context that ``decode`` needs.

        Args:
            audio: ``(samples,)``, ``(channels, samples)`` or ``(batch, channels, samples)`` at ``sample_rate`` Hz.

        Returns:
            ``(latents, context)``; latents ``(batch · channels, latent_dim, n_latents)``.

        Raises:
            InputError: If ``as_audio`` refuses ``audio``, or the sound does not have ``fixed_length`` and that is not
                None.
        """
        features, context = self.analyse(audio)
        return self.encode_features(features, context.conditions), context

    def analyse(self, audio: Tensor) -> Analysis[Context]:
        """Return the features of sounds and the context that ``synthesise`` needs; the network is not used.

        Conditions that the model needs and the representation does not measure are added to the context: the pitch is
        the median of the tracked f0, or A4 for a sound without pitch; all others are NaN, which means unknown.

        Args:
            audio: The same as for ``encode``.

        Returns:
            Features, ``(batch · channels, n_features, n_frames)``, and context.

        Raises:
            InputError: For the same reasons as ``encode``.
        """
        audio = self._checked_audio(audio)
        analysis: Analysis[Context] = self.representation.analyse(audio)
        missing = [name for name in self.model.needs if name not in analysis.context.conditions]
        if not missing:
            return analysis
        n_rows = len(analysis.features)
        found = {name: torch.full((n_rows, CONDITION_SIZES.get(name, 1), 1), math.nan) for name in missing}
        if "pitch" in missing:
            sounds = three_axes(audio)
            pitches = torch.tensor([hz_to_pitch(median_f0(sound, self.sample_rate)) for sound in sounds])
            if bool(pitches.isnan().any()):
                logger.warning("a sound has no pitch, so the network is conditioned on the pitch A4")
            pitches = pitches.nan_to_num(PITCH_OF_NONE)
            found["pitch"] = pitches.repeat_interleave(n_rows // len(sounds))[:, None, None]
        return Analysis(analysis.features, analysis.context.with_conditions(found))

    def code_of(self, audio: Tensor) -> Tensor:
        """Return the latent code of sounds, differentiable with respect to the audio, as style transfer needs it.

        Args:
            audio: The same as for ``encode``.

        Returns:
            Latents ``(batch · channels, latent_dim, n_latents)``.

        Raises:
            NotImplementedError: If the representation is not differentiable.
            InputError: For the same reasons as ``encode``.

        Example:
            >>> from intertone.models import ConvConfig
            >>> from intertone.representation import DecibelConfig
            >>> codec = Codec(CodecConfig(representation=DecibelConfig(), model=ConvConfig()))
            >>> audio = torch.randn(8000, requires_grad=True)
            >>> codec.code_of(audio).square().mean().backward()
            >>> bool(audio.grad.abs().sum() > 0)
            True
        """
        features = self.representation.features(self._checked_audio(audio))
        # conditions are measured without gradient
        conditions = self.analyse(audio.detach()).context.conditions if self.model.needs else NO_CONDITIONS
        return self.model.encode(features, self._on_device(conditions))

    def _checked_audio(self, audio: Tensor) -> Tensor:
        """Return audio as float32 on the model's device; refuse a length other than ``fixed_length``."""
        audio = as_audio(audio).to(self.device)
        count, length, rate = self.representation.n_frames, self.fixed_length, self.sample_rate
        if length is not None and count(audio.shape[-1]) != count(length):
            raise InputError(f"a sound must last {length / rate:g} s for this codec, got {audio.shape[-1] / rate:g} s")
        return audio

    @torch.inference_mode()
    def decode(
        self,
        latents: Tensor,
        context: Context,
        *,
        phase: PhaseConfig | None = None,
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the sounds of a latent code.

        Args:
            latents: ``(batch · channels, latent_dim, n_latents)``.
            context: Context from ``encode``, or a mixture of several. For changed latents, pass
                ``context.as_edited()``.
            phase: How the phase is found. None: the phase of the context if it is not edited, else ``pghi-fast``.
            residual: Whether the residual in the context, the part of the sound that the features do not contain, is
                added to the result; an edited context has none.
            generator: Source of random phase, and of the samples that a probabilistic model draws.

        Returns:
            Audio at ``sample_rate`` Hz, the shape of the sounds that the context comes from, on the CPU.

        Raises:
            ValueError: If the latents do not fit the model or the length in the context, or ``phase`` is ``kept`` with
                an edited context.
        """
        wanted = self.model.n_latents(self.representation.n_frames(context.samples))
        if latents.shape[-1] != wanted:
            raise ValueError(
                f"latents must have {wanted} vectors for sounds of {context.samples} samples, got {latents.shape[-1]}"
            )
        features = self.decode_features(latents.to(self.device), context.conditions, generator=generator)
        made = Analysis(features, context)
        return self.representation.synthesise(made, phase=phase, residual=residual, generator=generator).cpu()

    def reconstruct(
        self,
        audio: Tensor,
        *,
        phase: PhaseConfig | None = None,
        gains: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return ``decode(encode(audio))``, by default with the phase and the residual of the sound.

        With a phase method other than ``kept``, the residual is left out too, so that the result depends on the code
        alone.

        Args:
            audio: The same as for ``encode``.
            phase, generator: The same as for ``decode``.
            gains: Factor of each latent dimension, ``(latent_dim,)``; None: all 1.

        Returns:
            Audio of the shape of ``audio``.

        Raises:
            InputError: For the same reasons as ``encode``.
            ValueError: If ``gains`` does not have ``latent_dim`` numbers.
        """
        own = phase is None or phase.method == "kept"
        latents, context = self.encode(audio)
        if gains is not None:
            if gains.shape != (self.model.latent_dim,):
                raise ValueError(f"gains must be ({self.model.latent_dim},), got {tuple(gains.shape)}")
            latents = latents * gains.to(latents)[:, None]
        return self.decode(latents, context, phase=phase, residual=own, generator=generator)

    @torch.inference_mode()
    def encode_features(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
        """Return ``model.encode`` of features; long ones are processed in overlapping blocks.

        Args:
            features: ``(batch · channels, n_features, n_frames)``.
            conditions: Conditions that the model needs, ``(batch · channels, size, 1 or n_frames)`` each.

        Returns:
            Latents ``(batch · channels, latent_dim, n_latents)``.

        Raises:
            ValueError: If features or conditions do not fit the model.
        """
        return encode_in_blocks(self.model, features, self._on_device(conditions))

    @torch.inference_mode()
    def decode_features(
        self,
        latents: Tensor,
        conditions: Conditions = NO_CONDITIONS,
        *,
        n_frames: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return ``model.decode`` of latents; long ones are processed in overlapping blocks.

        Args:
            latents: ``(batch · channels, latent_dim, n_latents)``.
            conditions: Conditions of the output that the model needs, ``(batch · channels, size, 1 or n_frames)`` each.
            n_frames: Number of frames of the result; None: the largest number that gives this many latents.
            generator: Source of randomness, for models that draw samples.

        Returns:
            Features ``(batch · channels, n_features, n_frames)``, on the model's device.

        Raises:
            ValueError: If latents or conditions do not fit the model.
        """
        return decode_in_blocks(
            self.model, latents, self._on_device(conditions), n_frames=n_frames, generator=generator
        )

    def _on_device(self, conditions: Conditions) -> Conditions:
        """Return the conditions that the model needs, on its device."""
        return {name: conditions[name].to(self.device) for name in self.model.needs if name in conditions}


def _check_model(model: object, n_features: int) -> None:
    """Refuse a caller's model that lacks a member of ``Model`` or does not fit the representation.

    Raises:
        ValueError: If a member is missing, or the model has another number of features than the representation.
    """
    needed = [name for name in (*Model.__annotations__, *vars(Model), "needs", "n_frames", "eval") if name[0] != "_"]
    missing = sorted(name for name in set(needed) - UNUSED if not hasattr(model, name))
    if missing:
        raise ValueError(f"a model must have {', '.join(missing)}, got a {type(model).__name__} without them")
    if model.n_features != n_features:  # type: ignore[attr-defined]
        found = model.n_features  # type: ignore[attr-defined]
        raise ValueError(f"the model must have the {n_features} features of the representation, got {found}")


def as_audio(audio: npt.ArrayLike | Tensor) -> Tensor:
    """Return audio as float32.

    Args:
        audio: Tensor or array of floating-point numbers, ``(samples,)``, ``(channels, samples)`` or
            ``(batch, channels, samples)``.

    Returns:
        The same values, float32.

    Raises:
        InputError: If ``audio`` is not such an array, has no sample, a sample that is not finite or beyond
            ``MAX_PEAK``, or more than ``MAX_CHANNELS`` channels.

    Example:
        >>> as_audio([1, 2])
        Traceback (most recent call last):
        ...
        intertone.errors.InputError: audio must be floating-point numbers, -1 to 1, got torch.int64
    """
    if isinstance(audio, str | Path):
        raise InputError(f"audio must be an array, got a file name; read it with load_audio({str(audio)!r})")
    try:
        tensor = torch.as_tensor(audio)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"audio must be an array of floating-point numbers, got {type(audio).__name__}") from None
    if not tensor.is_floating_point():
        raise InputError(f"audio must be floating-point numbers, -1 to 1, got {tensor.dtype}")
    if not 1 <= tensor.ndim <= 3:
        raise InputError(
            f"audio must be (batch, channels, samples), or the last one or two of these axes, got {tuple(tensor.shape)}"
        )
    if not tensor.numel():
        raise InputError(f"audio must have at least one sample, got shape {tuple(tensor.shape)}")
    tensor = tensor.float()
    if tensor.ndim > 1 and tensor.shape[-2] > MAX_CHANNELS:
        turned = tensor.shape[-1] <= MAX_CHANNELS
        hint = "; transpose it, channels come before samples" if turned else ""
        raise InputError(f"audio must have 1 to {MAX_CHANNELS} channels, got shape {tuple(tensor.shape)}{hint}")
    check_peak(float(tensor.detach().abs().max()), "the audio")
    return tensor


def shipped_codecs() -> list[str]:
    """Return the names of the codecs that come with the package."""
    return shipped_names(CODECS)
