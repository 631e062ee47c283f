"""How much the lexicon holds, as the Markdown table of data/README.md.

Example:
    python tools/lexicon_table.py

A cell names each fact with its entries / phrasings; a phrasing is one text that an entry's alternatives make.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "data" / "lexicon"
STARTS = ("openings", "pleas", "digressions", "contacts")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_NOT_A_FACT = ("formal", "spoken", "nouns", "clauses")  # keys that only divide a fact's entries


def lexicon_table() -> str:
    """A row a section of facts.yaml, one for what opens, pleads, digresses and gives contacts, one for no requests."""
    facts, frames, other = (
        yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8")) for name in ("facts", "frames", "other")
    )
    rows = [(section, _counted(_by_fact(value))) for section, value in facts.items()]
    starts = {kind: [entry for key, found in _lists(frames) if kind in key for entry in found] for kind in STARTS}
    together = len({entry for found in starts.values() for entry in found})
    rows.append((f"beside facts ({together} entries together)", _counted(starts)))
    rows.append(("no requests", _counted({key: value for key, value in other.items() if isinstance(value, list)})))
    lines = ["| section | entries / phrasings |", "|---|---|"]
    return "\n".join([*lines, *(f"| {section} | {cell} |" for section, cell in rows)])


def _by_fact(section: Any) -> Mapping[str, list[str]]:
    entries: dict[str, list[str]] = {}
    for path, found in _lists(section):
        name = " ".join(part for part in path if part not in _NOT_A_FACT)
        entries.setdefault(name, []).extend(found)
    return entries


def _lists(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    if isinstance(value, list):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _lists(inner, (*path, str(key)))


def _counted(entries: Mapping[str, list[str]]) -> str:
    cells = [f"{name} {len(found)} / {_phrasings(found)}".strip() for name, found in entries.items()]
    return ", ".join(cells)


def _phrasings(entries: list[str]) -> int:
    return len({text for entry in entries for text in _expand(entry)})


def _expand(template: str) -> list[str]:
    match = _CHOICE.search(template)
    if match is None:
        return [template]
    head, tail = template[: match.start()], template[match.end() :]
    return [text for choice in match[1].split("|") for text in _expand(head + choice + tail)]


if __name__ == "__main__":
    print(lexicon_table())
