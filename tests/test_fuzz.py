"""Two thousand seeded cases of damaged sounds and settings and of extreme numbers, in processes with little memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import tone, untrained_codec

from intertone import morph
from intertone.codec import CodecConfig
from intertone.errors import InputError

FUZZ = Path(__file__).with_name("fuzz.py")
PARTS = [("sounds", 0, 1000), ("settings", 0, 600), ("numbers", 0, 400)]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "first", "count"), PARTS)
def test_each_case_works_or_is_refused_in_a_sentence(kind: str, first: int, count: int) -> None:
    result = subprocess.run(
        [sys.executable, str(FUZZ), kind, str(first), str(count)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,
        check=False,
    )
    lines = result.stdout.splitlines()
    assert result.returncode == 0, f"after {lines[-1:]}: {result.stderr[-2000:]}"
    assert lines == [f"case {number}" for number in range(first, first + count)], result.stdout[:20_000]
    assert "Traceback" not in result.stderr and "Exception ignored" not in result.stderr


def test_there_are_two_thousand_cases() -> None:
    assert sum(count for _, _, count in PARTS) == 2000


# cases that failed


def test_a_long_value_of_a_setting_is_not_printed_whole(tmp_path: Path) -> None:
    for content in ({"x" * 10_000: 1}, {"format": [1] * 5000}, {"model": {"kind": "y" * 9999}}):
        (tmp_path / "config.json").write_text(json.dumps(content))
        with pytest.raises(InputError) as refused:
            CodecConfig.read(tmp_path / "config.json")
        assert len(str(refused.value).replace(str(tmp_path), "")) < 400


def test_a_long_mix_is_not_printed_whole() -> None:
    with pytest.raises(InputError, match=r"a mix must be a number .* got xxxx") as refused:
        morph(untrained_codec(), tone(60), tone(60), mix="x" * 10_000)
    assert len(str(refused.value)) < 300
