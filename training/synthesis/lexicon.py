"""The lexicon: how things are said. YAML files of templates, and the filling-in of one.

In a template ``[a|b|]`` chooses one alternative (groups may nest) and ``{name}`` is filled in.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_FILES = ("places", "frames", "facts", "other")


def default_lexicon_folder() -> Path:
    """``data/lexicon`` of a checkout, or the copy inside an installed package."""
    here = Path(__file__).resolve()
    installed = here.parent / "lexicon"
    return installed if installed.is_dir() else here.parents[2] / "data" / "lexicon"


@dataclass(frozen=True)
class Lexicon:
    """The YAML files of one folder, by name."""

    places: Mapping[str, Any]
    frames: Mapping[str, Any]
    facts: Mapping[str, Any]
    other: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path | None = None) -> "Lexicon":
        """Raises ValueError naming the file that is missing or is not YAML."""
        folder = folder or default_lexicon_folder()
        return cls(*(_read_yaml(folder / f"{name}.yaml") for name in _FILES))

    def templates(self, section: str, key: str, style: str) -> list[str]:
        """The templates of a fact, for a style where the lexicon tells them apart."""
        entry = self.facts[section][key]
        return list(entry[style] if isinstance(entry, dict) else entry)


def fill(template: str, rng: random.Random, slots: Mapping[str, str] | None = None) -> str:
    """Chooses the alternatives of a template and fills in its slots. Raises KeyError for a slot without a value."""
    while (match := _CHOICE.search(template)) is not None:
        chosen = rng.choice(match[1].split("|"))
        template = template[: match.start()] + chosen + template[match.end() :]
    return template.format_map(slots or {})


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ValueError(f"lexicon file {path} is missing") from None
    except yaml.YAMLError as error:
        raise ValueError(f"lexicon file {path}: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"lexicon file {path}: must be a mapping")
    return data
