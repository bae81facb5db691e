"""Evaluation of a codec on held-out notes; the result is a page with figures, tables and sounds."""

from intertone.evaluate.page import write_evaluation
from intertone.evaluate.report import Evaluation
from intertone.evaluate.run import evaluate_codec
from intertone.evaluate.settings import BUDGETS, EvaluateConfig

__all__ = ["BUDGETS", "EvaluateConfig", "Evaluation", "evaluate_codec", "write_evaluation"]
