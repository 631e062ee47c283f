"""The datasheet's table of the lexicon is what the lexicon holds."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_datasheet_counts_the_lexicon() -> None:
    command = [sys.executable, str(ROOT / "tools" / "lexicon_table.py")]
    table = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True).stdout.strip()
    assert table in (ROOT / "data" / "README.md").read_text("utf-8")
