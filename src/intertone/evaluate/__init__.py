"""Codec and held-out notes → figures, tables, a page, sounds."""

from intertone.evaluate.folder import write_evaluation
from intertone.evaluate.report import tables
from intertone.evaluate.run import evaluate_codec
from intertone.evaluate.task import BUDGETS, EvaluateConfig

__all__ = ["BUDGETS", "EvaluateConfig", "evaluate_codec", "tables", "write_evaluation"]
