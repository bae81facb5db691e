"""Settings of a style transfer: one file for each system."""

import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from intertone.config import Settings
from intertone.errors import InputError, did_you_mean
from intertone.transfer.frontend import StftFrontEnd
from intertone.transfer.objective import TermConfig
from intertone.transfer.solver import Limits, SolverConfig, TorchConfig
from intertone.transfer.variable import InitConfig, LogMagnitudeConfig, MaskConfig, VariableConfig, WaveformConfig


class DraftConfig(Settings):
    """A first optimisation of log-magnitudes, whose sound is where the variable starts.

    It minimises those terms that one spectrogram can show, which takes tens of evaluations where samples take
    thousands; a phase is found for the magnitudes, and the variable then repairs what that costs.
    """

    variable: LogMagnitudeConfig = Field(default_factory=LogMagnitudeConfig)
    solver: SolverConfig = Field(default_factory=TorchConfig)

    def shows(self, term: TermConfig) -> bool:
        """Return whether a term can be computed from the spectrogram."""
        own, front_end = self.variable, term.front_end
        return isinstance(front_end, StftFrontEnd) and (front_end.n_fft, front_end.hop_length) == (
            own.n_fft,
            own.hop_length,
        )


class TransferConfig(Settings):
    """A system of style transfer: what is optimised, from where, against what, and by which method."""

    later: ClassVar[frozenset[str]] = frozenset({"content_first"})

    purpose: str = Field("", description="a line: for which sounds the system is good")
    source: str = Field("", description="publication")
    sample_rate: int = Field(16000, ge=4000, le=96000, description="Hz at which the optimisation works")
    rms: float | None = Field(
        None, gt=0, description="level that both sounds are brought to before; not set: their own levels"
    )
    variable: VariableConfig = Field(default_factory=WaveformConfig)
    init: InitConfig = Field(default_factory=InitConfig)
    draft: DraftConfig | None = Field(None, description="a first optimisation; not set: none")
    content_first: int = Field(
        0, ge=0, description="iterations at the beginning in which style terms count a ten-thousandth; 0: none"
    )
    terms: tuple[TermConfig, ...] = Field(min_length=1)
    solver: SolverConfig = Field(default_factory=TorchConfig)
    limits: Limits = Field(default_factory=Limits)

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [term.name for term in self.terms]
        if len(set(names)) < len(names):
            raise ValueError(f"terms must have different names, got {', '.join(names)}")
        if self.draft is not None and not any(self.draft.shows(term) for term in self.terms):
            raise ValueError("draft must have the spectrogram of at least one term, got another")
        if self.draft is not None and self.init.start != "content":
            raise ValueError(f"draft must go with a start from the content, got {self.init.start}")
        if self.content_first and (self.draft is not None or not self.has_content_term):
            raise ValueError(f"content_first must go with a content term and no draft, got {self.content_first}")
        if self.content_first >= self.solver.iterations:
            most = self.solver.iterations - 1
            raise ValueError(f"content_first must be in 0..iterations - 1={most}, got {self.content_first}")
        if isinstance(self.variable, MaskConfig) and (self.init.start != "content" or self.init.deviation):
            begun = f"{self.init.start} with a deviation of {self.init.deviation:g}"
            raise ValueError(f"a mask must begin at the content as it is, without init, got init from {begun}")
        return self

    @property
    def has_content_term(self) -> bool:
        """Whether the objective holds the sound to the content."""
        return any(term.reference == "content" for term in self.terms)

    def with_iterations(self, iterations: int) -> Self:
        """Return the system with so many iterations at most, of which a draft or the content alone has half at most.

        Raises:
            InputError: If there is none.
        """
        if iterations < 1:
            raise InputError(f"the iterations must be at least 1, got {iterations}")
        drafted = 0 if self.draft is None else min(self.draft.solver.iterations, iterations // 2)
        draft = self.draft and self.draft.model_copy(
            update={"solver": self.draft.solver.model_copy(update={"iterations": drafted})}
        )
        solver = self.solver.model_copy(update={"iterations": iterations - drafted})
        first = min(self.content_first, iterations // 2)
        return self.model_copy(update={"solver": solver, "draft": draft if drafted else None, "content_first": first})


FOLDER = "presets"


@cache
def preset_names() -> tuple[str, ...]:
    """Return the names of the systems that come with the package."""
    folder = resources.files("intertone.transfer") / FOLDER
    return tuple(sorted(Path(each.name).stem for each in folder.iterdir() if each.name.endswith(".toml")))


def load_preset(name: str) -> TransferConfig:
    """Return the settings of a system by name, or of a file in TOML or JSON.

    Raises:
        InputError: If there is neither.
    """
    if name in preset_names():
        file = resources.files("intertone.transfer") / FOLDER / f"{name}.toml"
        return TransferConfig.parse(tomllib.loads(file.read_text(encoding="utf-8")), source=f"the preset {name}")
    if Path(name).suffix in (".toml", ".json"):
        return TransferConfig.read(name)
    names = ", ".join(preset_names())
    hint = did_you_mean(name, preset_names())
    raise InputError(f"the preset must be one of {names} or a settings file, got {name}{hint}")
