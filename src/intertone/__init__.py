"""New, playable sounds between sounds.

    from intertone import Codec, load_audio, morph, save_audio

    codec = Codec.load("harmonic")                                     # shipped_codecs() names the others
    a, b = (load_audio(name, sample_rate=codec.sample_rate)[0] for name in ("a.wav", "b.wav"))  # (channels, samples)
    save_audio("between.wav", morph(codec, a, b, mix=0.5), sample_rate=codec.sample_rate)

``MorphConfig`` has settings for pitch, alignment and network; ``codec.encode`` and ``codec.decode`` give access to the
latent code. ``intertone --help`` lists the corresponding commands.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from intertone.audio import load_audio, resample, save_audio
    from intertone.codec import Codec, CodecConfig, shipped_codecs
    from intertone.errors import InputError
    from intertone.morphing import MixCurve, MorphConfig, morph, morph_steps
    from intertone.phase import PhaseConfig
    from intertone.remark import Remark, collect_remarks

__all__ = [
    "Codec",
    "CodecConfig",
    "InputError",
    "MixCurve",
    "MorphConfig",
    "PhaseConfig",
    "Remark",
    "collect_remarks",
    "load_audio",
    "morph",
    "morph_steps",
    "resample",
    "save_audio",
    "shipped_codecs",
]

_HOMES = {
    "Codec": "codec",
    "CodecConfig": "codec",
    "InputError": "errors",
    "MixCurve": "morphing",
    "MorphConfig": "morphing",
    "PhaseConfig": "phase",
    "Remark": "remark",
    "collect_remarks": "remark",
    "load_audio": "audio",
    "morph": "morphing",
    "morph_steps": "morphing",
    "resample": "audio",
    "save_audio": "audio",
    "shipped_codecs": "codec",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that ``import intertone`` imports neither torch nor numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'intertone' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"intertone.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
