"""How much the lexicon holds, as the Markdown table of data/README.md.

Example:
    python tools/lexicon_table.py

A cell names each fact with its entries / phrasings; a phrasing is one text that an entry's alternatives make.
"""

from collections.abc import Mapping
from typing import Any

from training.synthesis.lexicon import Lexicon, Template, leaves

STARTS = ("openings", "pleas", "digressions", "contacts")
_NOT_A_FACT = ("formal", "spoken", "nouns", "clauses")  # keys that only divide a fact's entries


def lexicon_table(lexicon: Lexicon) -> str:
    """A row a section of facts.yaml and people.yaml, one for what opens, pleads, digresses and gives contacts, one for
    no requests."""
    rows = [(section, _counted(_by_fact(value))) for section, value in {**lexicon.facts, **lexicon.people}.items()]
    starts = {
        kind: [entry for path, found in leaves(lexicon.frames) if kind in path for entry in found] for kind in STARTS
    }
    together = len({entry.text for found in starts.values() for entry in found})
    rows.append((f"beside facts ({together} entries together)", _counted(starts)))
    others: dict[str, list[Template]] = {}
    for path, found in leaves({key: value for key, value in lexicon.other.items() if key != "hazard_words"}):
        others.setdefault(path[0], []).extend(found)
    rows.append(("no requests", _counted(others)))
    lines = ["| section | entries / phrasings |", "|---|---|"]
    return "\n".join([*lines, *(f"| {section} | {cell} |" for section, cell in rows)])


def _by_fact(section: Any) -> Mapping[str, list[Template]]:
    entries: dict[str, list[Template]] = {}
    for path, found in leaves(section):
        name = " ".join(part for part in path if part not in _NOT_A_FACT)
        entries.setdefault(name, []).extend(found)
    return entries


def _counted(entries: Mapping[str, list[Template]]) -> str:
    cells = [f"{name} {len(found)} / {_phrasings(found)}".strip() for name, found in entries.items()]
    return ", ".join(cells)


def _phrasings(entries: list[Template]) -> int:
    return len({text for entry in entries for text in entry.phrasings()})


if __name__ == "__main__":
    print(lexicon_table(Lexicon.load()))
