"""The lexicon: templates are well formed, choices are all reachable, and a broken file is named."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from training.synthesis.lexicon import Lexicon, default_lexicon_folder, fill

SLOTS = {
    **dict.fromkeys(("n", "v", "place", "nouns", "item", "count", "unit", "phone", "name", "hour", "minute"), "x"),
    **dict.fromkeys(("hazard", "town", "other", "km", "metres", "letter", "nnn"), "x"),
}


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def test_every_template_can_be_filled() -> None:
    lexicon, rng = Lexicon.load(), random.Random(1)
    for section in (lexicon.places, lexicon.frames, lexicon.facts, lexicon.other):
        for template in texts(section):
            for _ in range(5):
                assert not re.search(r"[\[\]{}|]", fill(template, rng, SLOTS)), template


def test_choices_nest_and_all_are_reached() -> None:
    rng = random.Random(1)
    assert {fill("[a|b[c|d]|]{n}", rng, {"n": "1"}) for _ in range(200)} == {"a1", "bc1", "bd1", "1"}


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"places\.yaml is missing"):
        Lexicon.load(tmp_path)
    for path in default_lexicon_folder().glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "facts.yaml").write_text("a: [")
    with pytest.raises(ValueError, match=r"facts\.yaml"):
        Lexicon.load(tmp_path)
    (tmp_path / "facts.yaml").write_text("- a")
    with pytest.raises(ValueError, match=r"facts\.yaml.*mapping"):
        Lexicon.load(tmp_path)
