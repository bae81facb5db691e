"""The list of seeded faults does not rot; benchmarks/faults.py seeds them."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FAULTS = tomllib.loads((ROOT / "tests/faults.toml").read_text(encoding="utf-8"))["fault"]


def test_there_are_twenty_faults_each_another() -> None:
    assert len(FAULTS) == 20
    assert len({fault["what"] for fault in FAULTS}) == len({(fault["file"], fault["old"]) for fault in FAULTS}) == 20


@pytest.mark.parametrize("fault", FAULTS, ids=range(1, len(FAULTS) + 1))
def test_a_fault_can_be_seeded_and_its_tests_are_there(fault: dict[str, object]) -> None:
    assert set(fault) == {"what", "file", "old", "new", "tests"}
    text = (ROOT / str(fault["file"])).read_text(encoding="utf-8")
    assert text.count(str(fault["old"])) == 1
    ast.parse(text.replace(str(fault["old"]), str(fault["new"])))
    assert isinstance(fault["tests"], list) and 1 <= len(fault["tests"]) <= 2
    for test in fault["tests"]:
        path, _, name = test.partition("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name.partition("[")[0] in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test
