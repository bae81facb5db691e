"""FluidSynth as a function that renders single notes, independently of previous notes.

Only the library is used, without an audio driver. pyfluidsynth finds the library; its functions are called directly,
since pyfluidsynth has no floating-point output.
"""

import contextlib
import ctypes
import io
import math
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from intertone.container import MIN_SAMPLE_RATE
from intertone.data.keyboard import HIGHEST_RATE
from intertone.data.soundfont import INSTALL, INSTALL_EXTRA
from intertone.errors import InputError

CType = type[ctypes.c_void_p] | type[ctypes.c_char_p] | type[ctypes.c_int] | type[ctypes.c_double]

BLOCK = 64
_SEVENTH_ORDER = 7
_LOG_LEVELS = 5


def synthesis_rate(sample_rate: int) -> int:
    """Return the rate at which notes are rendered, Hz: the largest multiple of ``sample_rate`` up to 96,000 Hz.

    FluidSynth has no anti-aliasing filter: frequencies above half of its output rate, from recordings with a higher
    rate or from transposed recordings, are aliased. A higher rate, followed by resampling, reduces the aliasing.

    Raises:
        InputError: If ``sample_rate`` is not in 4,000…96,000 Hz.

    Example:
        >>> [synthesis_rate(rate) for rate in (8000, 16000, 22050, 44100, 48000)]
        [96000, 96000, 88200, 88200, 96000]
    """
    if not MIN_SAMPLE_RATE <= sample_rate <= HIGHEST_RATE:
        raise InputError(f"sample_rate must be in {MIN_SAMPLE_RATE}..{HIGHEST_RATE} Hz, got {sample_rate}")
    return HIGHEST_RATE // sample_rate * sample_rate


class Synth:
    """FluidSynth with one SoundFont, without reverb and chorus; it is used as a context manager.

    A synthesizer keeps internal state of previous notes even after a reset; the same note then differs by up to half of
    its peak. Therefore each note is rendered by a new synthesizer (0.1 ms), to which the SoundFont is lent. A permanent
    synthesizer (``_keeper``) keeps the recordings of the program in memory.

    Args:
        soundfont: Path of the SoundFont.
        sample_rate: Hz, 8,000…96,000; see ``synthesis_rate``.
        gain: Linear factor; 1 is the SoundFont's level.

    Raises:
        InputError: If the library or pyfluidsynth is missing, or the library cannot read the SoundFont.
    """

    def __init__(self, soundfont: Path | str, *, sample_rate: int, gain: float) -> None:
        self._library = library = _load_library()
        self._settings = library.new_fluid_settings()
        numbers = {"synth.sample-rate": float(sample_rate), "synth.gain": gain}
        integers = {"synth.reverb.active": 0, "synth.chorus.active": 0, "synth.dynamic-sample-loading": 1}
        integers |= {"synth.lock-memory": 0, "synth.cpu-cores": 1, "synth.polyphony": 256}
        for name, number in numbers.items():
            library.fluid_settings_setnum(self._settings, name.encode(), number)
        for name, integer in integers.items():
            library.fluid_settings_setint(self._settings, name.encode(), integer)
        self._keeper: int | None = library.new_fluid_synth(self._settings)
        self._bank = library.fluid_synth_sfload(self._keeper, str(soundfont).encode(), 1)
        if self._bank < 0:
            self.close()
            raise InputError(f"FluidSynth must be able to load the soundfont, got {soundfont}")
        self._kept = -1, -1
        self._font = library.fluid_synth_get_sfont_by_id(self._keeper, self._bank)

    def note(
        self, program: int, pitch: int, velocity: int, *, hold: int, release: int, bank: int = 0
    ) -> npt.NDArray[np.float32]:
        """Return the sound of one note.

        Args:
            program: Program number.
            pitch: Key, 0…127.
            velocity: 1…127.
            hold: Time from the start to the release of the key, samples, which is rounded up to a multiple of 64.
            release: Time from the release to the end, samples.
            bank: 0 for melodic programs, 128 for drum kits.

        Returns:
            Left and right channel, ``(2, hold + release)``; the note begins at sample 0.

        Raises:
            InputError: If the bank does not have the program.
        """
        if (bank, program) != self._kept:
            self._select(self._keeper, self._bank, bank, program)
            self._kept = bank, program
        blocks = math.ceil((hold + release) / BLOCK)
        held = min(math.ceil(hold / BLOCK), blocks)
        audio = np.zeros((2, blocks * BLOCK), np.float32)
        with self._fresh(bank, program) as synth:
            self._library.fluid_synth_noteon(synth, 0, pitch, velocity)
            self._write(synth, audio[:, : held * BLOCK])
            self._library.fluid_synth_noteoff(synth, 0, pitch)
            self._write(synth, audio[:, held * BLOCK :])
        return audio[:, : hold + release]

    @contextlib.contextmanager
    def _fresh(self, bank: int, program: int) -> Iterator[int]:
        library = self._library
        synth = library.new_fluid_synth(self._settings)
        font = library.fluid_synth_add_sfont(synth, self._font)
        try:
            library.fluid_synth_set_interp_method(synth, -1, _SEVENTH_ORDER)
            self._select(synth, font, bank, program)
            yield synth
        finally:
            library.fluid_synth_remove_sfont(synth, self._font)
            library.delete_fluid_synth(synth)

    def _select(self, synth: int | None, font: int, bank: int, program: int) -> None:
        if self._library.fluid_synth_program_select(synth, 0, font, bank, program) != 0:
            raise InputError(f"the program must be in the bank, got {program}")

    def _write(self, synth: int, audio: npt.NDArray[np.float32]) -> None:
        left, right = (channel.ctypes.data_as(ctypes.c_void_p) for channel in audio)
        self._library.fluid_synth_write_float(synth, audio.shape[1], left, 0, 1, right, 0, 1)

    def close(self) -> None:
        """Free the library's memory; afterwards no notes can be rendered."""
        if self._keeper is not None:
            self._library.delete_fluid_synth(self._keeper)
            self._library.delete_fluid_settings(self._settings)
            self._keeper = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def _load_library() -> ctypes.CDLL:
    """Return libfluidsynth with typed functions and without log messages."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import fluidsynth
        library = ctypes.CDLL(fluidsynth.lib)
    except (ImportError, OSError) as error:
        raise InputError(f"rendering must have FluidSynth, but {error}; {INSTALL}, then {INSTALL_EXTRA}") from None
    for name, result, arguments in _prototypes():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    for level in range(_LOG_LEVELS):
        library.fluid_set_log_function(level, None, None)
    return library


def _prototypes() -> Iterator[tuple[str, CType | None, list[CType]]]:
    handle, text, integer, buffer = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p
    yield "new_fluid_settings", handle, []
    yield "new_fluid_synth", handle, [handle]
    yield "delete_fluid_synth", None, [handle]
    yield "delete_fluid_settings", None, [handle]
    yield "fluid_set_log_function", handle, [integer, handle, handle]
    yield "fluid_settings_setnum", integer, [handle, text, ctypes.c_double]
    yield "fluid_settings_setint", integer, [handle, text, integer]
    yield "fluid_synth_sfload", integer, [handle, text, integer]
    yield "fluid_synth_get_sfont_by_id", handle, [handle, integer]
    yield "fluid_synth_add_sfont", integer, [handle, handle]
    yield "fluid_synth_remove_sfont", integer, [handle, handle]
    yield "fluid_synth_set_interp_method", integer, [handle, integer, integer]
    yield "fluid_synth_program_select", integer, [handle, integer, integer, integer, integer]
    yield "fluid_synth_noteon", integer, [handle, integer, integer, integer]
    yield "fluid_synth_noteoff", integer, [handle, integer, integer]
    yield "fluid_synth_write_float", integer, [handle, integer, buffer, integer, integer, buffer, integer, integer]
