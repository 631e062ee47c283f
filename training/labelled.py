"""Reports that people have labelled: what they should be read as, and what a sane answer to them contains.

One JSON object a line: `{"id", "report", "context"?, "gold", "gold2"?, "expect"?}`. `gold` is a situation (`gold2` that
of a second, less urgent incident) without what the labels leave open: facts, requested quantities, and whether a count
is approximate or contradicted. `expect` says whether anybody is to be sent, and what the instruction must and must
not contain (alternatives stand between |); its `min_people_capacity` is not judged.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dispatch.domain import Context, Count, Situation
from dispatch.domain.places import is_vague_place
from dispatch.model import normalize
from training.corpus import PairError, read_records, read_rows, require_utf8

FIELDS = ("id", "report", "context", "gold", "gold2", "expect")
EXPECTATIONS = ("dispatch", "must_contain", "must_not_contain", "min_people_capacity")


@dataclass(frozen=True)
class Expectation:
    """What is expected of the instruction; dispatch is None where it is not said whether anybody is to be sent.

    must_contain and must_not_contain hold alternatives each, as the model writes them (NFKC): one of them must, or none
    of them may, stand in the text.
    """

    dispatch: bool | None = None
    must_contain: tuple[tuple[str, ...], ...] = ()
    must_not_contain: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Expectation":
        """Raises ValueError, naming the field, for a field that is unknown or of the wrong type."""
        if not isinstance(data, Mapping):
            raise ValueError("field 'expect' must be an object")
        if unknown := set(data) - set(EXPECTATIONS):
            raise ValueError(f"expect.{sorted(unknown)[0]}: unknown field")
        dispatch = data.get("dispatch")
        if dispatch is not None and not isinstance(dispatch, bool):
            raise ValueError("expect.dispatch: must be true or false")
        return cls(dispatch, _alternatives(data, "must_contain"), _alternatives(data, "must_not_contain"))

    def to_dict(self) -> dict[str, object]:
        lists = {"must_contain": self.must_contain, "must_not_contain": self.must_not_contain}
        return {"dispatch": self.dispatch} | {name: ["|".join(entry) for entry in lists[name]] for name in lists}


@dataclass(frozen=True)
class LabelledReport:
    """One report with its gold situations, the most urgent first, and what is expected of the instruction."""

    id: str
    report: str
    context: Context
    situations: tuple[Situation, ...]
    expect: Expectation = Expectation()

    @classmethod
    def from_dict(cls, record: object) -> "LabelledReport":
        """Reads one JSON object of a file of labelled reports.

        Raises:
            ValueError: naming the field that is missing or malformed.
        """
        if not isinstance(record, Mapping):
            raise ValueError("expected a JSON object with 'report' and 'gold'")
        for field in FIELDS:
            require_utf8(record, field)
        identity, report = record.get("id", ""), record.get("report")
        if not isinstance(identity, str):
            raise ValueError("field 'id' must be text")
        if not isinstance(report, str) or not normalize(report).text.strip():
            raise ValueError("field 'report' is missing, empty or not text")
        situations = [
            _gold(record, field) for field in ("gold", "gold2") if field == "gold" or record.get(field) is not None
        ]
        try:
            return cls(
                identity,
                report,
                Context.from_dict(record.get("context") or {}),
                tuple(map(Situation.from_dict, situations)),
                Expectation.from_dict(record.get("expect") or {}),
            )
        except (TypeError, AttributeError) as error:
            raise ValueError(f"context, gold or expect is malformed: {error}") from error


def holds_labelled_reports(path: Path) -> bool:
    """Whether a file holds labelled reports, told by the field `gold` of its first object; else it holds pairs."""
    first = next((record for _, record in read_records(path) if isinstance(record, Mapping)), {})
    return "gold" in first


def read_labelled_reports(path: Path, on_error: Callable[[PairError], None] | None = None) -> Iterator[LabelledReport]:
    """Reads labelled reports; a line that cannot be used is given to on_error and skipped."""
    return read_rows(path, LabelledReport.from_dict, on_error)


def as_labelled(situation: Situation) -> Situation:
    """What of a situation the labels can say: of what is no request the kind alone.

    A generic place (村口) and no place at all are the same, since both have to be asked for.
    """
    if situation.kind != "request":
        return Situation(kind=situation.kind)
    location = unicodedata.normalize("NFKC", situation.location)
    return replace(
        situation,
        location="" if is_vague_place(location) else location,
        people={category: Count(count.min, count.max) for category, count in situation.people.items()},
        requested=(),
        facts={},
    )


def as_judged(gold: Sequence[Situation], matched: Situation | None, answer: Situation) -> Situation:
    """What of an answered situation is judged, given the gold ones of its report and the one that it is matched to.

    Measures that gold leaves out may well be said in the report (到胸), and what is no request is judged by its kind.
    """
    if not any(situation.kind == "request" for situation in gold):
        return Situation(kind=answer.kind)
    stated = matched.measures if matched is not None else {}
    return replace(answer, measures={name: value for name, value in answer.measures.items() if name in stated})


def _gold(record: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """A situation that says its kind: what a label leaves out must not be taken for a request."""
    situation = record.get(field)
    if not isinstance(situation, Mapping):
        raise ValueError(f"field '{field}' must be a situation")
    if "kind" not in situation:
        raise ValueError(f"field '{field}' must state its kind")
    return situation


def _alternatives(data: Mapping[str, Any], field: str) -> tuple[tuple[str, ...], ...]:
    entries = data.get(field) or []
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise ValueError(f"expect.{field}: must be a list of texts")
    found = tuple(tuple(filter(None, (normalize(word).text for word in entry.split("|")))) for entry in entries)
    if not all(found):
        raise ValueError(f"expect.{field}: an entry is empty")
    return found
