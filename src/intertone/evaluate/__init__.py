"""Codec and held-out notes → figures, tables, sounds."""

from intertone.evaluate.report import tables, write_evaluation
from intertone.evaluate.run import BUDGETS, EvaluateConfig, evaluate_codec

__all__ = ["BUDGETS", "EvaluateConfig", "evaluate_codec", "tables", "write_evaluation"]
