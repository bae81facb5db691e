"""The work of a worker process: sound files become an instrument, and a picture of each sound."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch

from intertone.audio import load_audio
from intertone.codec import Codec
from intertone.errors import InputError
from intertone.files import Json
from intertone.instrument import Instrument, InstrumentBank, PlayableSound, analyse_playable, bank_path
from intertone.instrument.code_map import code_of_sound
from intertone.remark import collect_remarks
from intertone.web.overview import Overview, overview_of
from intertone.web.uploads import Made, OwnCode, Upload
from intertone.web.workers import JobError, Report

SUFFIX = ".intertone"
"""Suffix of a saved instrument."""

REMEMBERED = 8
"""Analysed sounds that a process remembers, so that a sound which joins others is the only one to be analysed."""


@dataclass(frozen=True)
class _Analysed:
    playable: PlayableSound
    overview: Overview
    remarks: tuple[str, ...]
    code: bytes | None


class Bench:
    """What a process keeps from one job to the next: the codec, and the sounds that it analysed last.

    Args:
        codec: Name or folder of the codec.
        threads: Threads of PyTorch; None: as many as it has.
        device: Device on which the network runs.
    """

    def __init__(self, codec: str, *, threads: int | None = None, device: str = "cpu") -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.codec = Codec.load(codec, device=device)
        self.bank = InstrumentBank.read(codec) if bank_path(codec).is_file() else None
        self._analysed: OrderedDict[tuple[Upload, int], _Analysed] = OrderedDict()

    def make(self, uploads: tuple[Upload, ...], report: Report) -> Made:
        """Return the instrument of one to four sound files, or a saved instrument, which must be the only file.

        Args:
            uploads: The files.
            report: Called with each step.

        Returns:
            The instrument and what is shown of its sounds.

        Raises:
            JobError: If a file is no sound that can be used; the sentence has the name for people.
        """
        if len(uploads) == 1 and uploads[0].name.lower().endswith(SUFFIX):
            return _saved(uploads[0])
        analysed = []
        for index, upload in enumerate(uploads):
            report(f"{upload.name}: pitch, partials and noise are measured")
            try:
                analysed.append(self._analyse(upload))
            except InputError as error:
                raise JobError(_with_name(str(error), upload), index) from None
        report("the network compares the sounds")
        instrument = Instrument.of(self.codec, [one.playable for one in analysed])
        shown: list[dict[str, Json]] = [
            {"overview": one.overview.to_json(), "remarks": list(one.remarks)} for one in analysed
        ]
        named = [(corner, one.playable.name, one.code) for corner, one in enumerate(analysed)]
        codes = tuple(OwnCode(name, corner, code) for corner, name, code in named if code is not None)
        return Made(instrument.to_bytes(), shown, codes)

    def _analyse(self, upload: Upload) -> _Analysed:
        key = (upload, upload.path.stat().st_mtime_ns if upload.path.exists() else 0)
        if key in self._analysed:
            self._analysed.move_to_end(key)
            return self._analysed[key]
        with collect_remarks() as remarks:
            sound = load_audio(upload.path, sample_rate=self.codec.sample_rate)[0]
        texts = tuple(_with_name(remark.text, upload) for remark in remarks)
        playable = analyse_playable(self.codec, sound, Path(upload.name).stem)
        overview = overview_of(sound, self.codec.sample_rate)
        self._analysed[key] = _Analysed(playable, overview, texts, self._code(playable))
        while len(self._analysed) > REMEMBERED:
            self._analysed.popitem(last=False)
        return self._analysed[key]

    def _code(self, playable: PlayableSound) -> bytes | None:
        """Return the code of a sound for the map, if the codec has a map and the sound one pitch."""
        if self.bank is None:
            return None
        code = code_of_sound(self.codec, playable, self.bank.seconds)
        return None if code is None else code.numpy().tobytes()


def _saved(upload: Upload) -> Made:
    """Return a saved instrument, checked.

    Raises:
        JobError: If the file is no instrument.
    """
    try:
        instrument = Instrument.load(upload.path)
    except InputError as error:
        raise JobError(_with_name(str(error), upload), 0) from None
    return Made(instrument.to_bytes(), [{"overview": None, "remarks": []} for _ in instrument.header["sounds"]])


def _with_name(text: str, upload: Upload) -> str:
    return text.replace(str(upload.path), upload.name).replace(upload.path.name, upload.name)
