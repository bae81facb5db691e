"""How the phase is found on the way back: a choice that all representations are given."""

from typing import Literal

from pydantic import Field

from intertone.config import Settings
from intertone.phase import MOMENTUM, PhaseMethod


class PhaseConfig(Settings):
    """How the phase is found on the way back.

    ``kept`` reuses the sound's own phase and is refused for an edited code.
    """

    method: PhaseMethod | Literal["kept"] = "pghi-fast"
    n_iter: int = Field(32, ge=0, le=100_000, description="iterations of Griffin-Lim")
    momentum: float = Field(MOMENTUM, ge=0, lt=1, description="acceleration of the fast methods")
