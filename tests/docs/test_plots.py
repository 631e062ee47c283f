"""The pictures of the shipped model are drawn from its metrics."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from PIL import Image

from dispatch.settings import SHIPPED_BUNDLE
from tools.plots import joined_curves

ROOT = Path(__file__).parents[2]
NAMES = ("training", "reliability")


def draw(bundle: Path, out: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "tools/plots.py"), str(bundle), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def source_of(picture: Path) -> object:
    with Image.open(picture) as image:
        assert image.format == "PNG"
        return image.info["Source"]


def test_the_pictures_are_those_of_the_shipped_bundle() -> None:
    digest = hashlib.sha256((SHIPPED_BUNDLE / "metrics.json").read_bytes()).hexdigest()
    assert [source_of(ROOT / f"docs/pictures/{name}.png") for name in NAMES] == [f"metrics.json {digest}"] * 2


def test_they_are_drawn_anew_by_one_command(tmp_path: Path) -> None:
    done = draw(SHIPPED_BUNDLE, tmp_path / "new/pictures")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / f"new/pictures/{name}.png") for name in NAMES]
    assert all(source_of(tmp_path / f"new/pictures/{name}.png") for name in NAMES)


def test_trainings_one_after_the_other_make_one_curve() -> None:
    curves = {"training": [{"step": 5, "loss": 1.0}], "validation": [{"step": 10, "loss": 2.0}]}
    joined = joined_curves([{"steps": 10, "curves": curves}] * 3)
    assert [point["step"] for point in joined["training"]] == [5, 15, 25]
    assert [point["step"] for point in joined["validation"]] == [10, 20, 30]


def test_metrics_without_curves_are_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"training": {}}), encoding="utf-8")
    done = draw(tmp_path, tmp_path / "pictures")
    assert done.returncode == 2
    assert "holds no curves or no evaluation" in done.stderr
    assert not (tmp_path / "pictures").exists()
