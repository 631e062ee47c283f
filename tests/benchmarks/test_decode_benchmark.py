"""The decoding benchmark measures everyone on the same reports and holds them against bare CTranslate2."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


def test_every_answerer_stands_in_the_table(
    load_benchmark: Callable[[str], ModuleType],
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    decode = load_benchmark("decode")
    out = tmp_path / "decode.json"
    sizes = ["--reports", "2", "--rounds", "1", "--batch-sizes", "2", "--threads", "1"]
    assert decode.main(["--bundle", str(tiny_bundle), *sizes, "--out", str(out)]) == 0
    runs = json.loads(out.read_text())["runs"]
    assert {run["strategy"] for run in runs} == {"greedy", "beam"}
    bare = [run for run in runs if run["answerer"] == decode.BARE]
    assert [run["of_bare"] for run in bare] == [1.0, 1.0]
    assert "our CTranslate2 int8" in capsys.readouterr().out
