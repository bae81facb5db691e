"""Style transfer: one objective over statistics of two sounds; the systems of the literature are settings of it."""

from intertone.transfer.run import TransferResult, transfer
from intertone.transfer.settings import TransferConfig, load_preset, preset_names
from intertone.transfer.solver import Limits, Step

__all__ = ["Limits", "Step", "TransferConfig", "TransferResult", "load_preset", "preset_names", "transfer"]
