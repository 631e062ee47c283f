"""The wheel is whole: what the packages hold in the source tree stands in it, data files and all."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]


def test_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    for package in ("dispatch", "training"):
        assert f"{package}/py.typed" in packed
        files = (path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        assert {str(path.relative_to(ROOT)) for path in files} <= packed
    for lexicon in (ROOT / "data" / "lexicon").iterdir():
        assert f"training/synthesis/lexicon/{lexicon.name}" in packed
