"""Phase retrieval: Griffin-Lim, and phase gradient heap integration (PGHI) of a whole sound or in real time."""

from intertone.phase.forest import integrate_phase
from intertone.phase.gradient import phase_gradient
from intertone.phase.real_time import RealTimePhase, integrate_in_real_time
from intertone.phase.retrieval import MOMENTUM, PhaseConfig, PhaseMethod, estimate_phase, griffin_lim

__all__ = [
    "MOMENTUM",
    "PhaseConfig",
    "PhaseMethod",
    "RealTimePhase",
    "estimate_phase",
    "griffin_lim",
    "integrate_in_real_time",
    "integrate_phase",
    "phase_gradient",
]
