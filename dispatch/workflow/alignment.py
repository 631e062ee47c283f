"""Alignment: for each fact and each order of an instruction, the characters of the report that it comes from.

A fact is looked for by rule (:mod:`dispatch.domain.evidence`), and where no rule knows it, where the network looked
when it wrote it. An order comes from the facts without which doctrine would not give it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from dispatch.domain import Context, Doctrine, Order, Situation
from dispatch.domain.evidence import Span, find_evidence, join
from dispatch.domain.instruction import issued_orders, split_orders
from dispatch.domain.label_names import name_facts
from dispatch.domain.linear import situation_parts
from dispatch.domain.places import find_place, stands_in
from dispatch.domain.plan import SPOKEN_ACTIONS
from dispatch.domain.situation import JsonObject
from dispatch.engine import Attention
from dispatch.model import normalize, normalize_context

Evidence = Literal["rule", "attention", "doctrine", "context", "none"]

_OF_THE_BEST = 0.4
"""A character counts as looked at where it gets so much of what the best one gets."""
_LEAST_SHARE = 0.2
"""Where all characters that are looked at get less of the attention than this, it is scattered, and shows nothing."""
_MOST_SPANS = 3
_MOST_PAIRED = 40
"""Facts of one situation, beyond which two reasons for one order are not looked for: no real report has so many."""
_PLACING = ("派", "增派", "调运")  # orders that say where to


@dataclass(frozen=True)
class Alignment:
    """Where one fact or order comes from.

    ``path`` is its place in the answer's JSON (``situations[0].people.trapped``, ``plan[1]``), ``text`` says it in
    Chinese. ``spans`` are of the report as it came, in code points, ends exclusive, in order. ``evidence`` is how they
    were found: ``rule`` (score 1), ``attention`` (the score is the share of it that the spans get), ``doctrine`` (an
    order, by the facts that it depends on; the mean of their scores), ``context`` (it stands in the context, and not in
    the report), ``none``. ``facts`` are the paths of the facts that an order depends on.
    """

    target: Literal["fact", "order"]
    path: str
    text: str
    spans: tuple[Span, ...]
    score: float
    evidence: Evidence
    facts: tuple[str, ...] = ()

    def to_dict(self) -> JsonObject:
        """JSON-ready; scores with 4 digits."""
        return {
            "target": self.target,
            "path": self.path,
            "text": self.text,
            "spans": [{"start": start, "end": end} for start, end in self.spans],
            "score": round(self.score, 4),
            "evidence": self.evidence,
            "facts": list(self.facts),
        }


@dataclass(frozen=True)
class Answer:
    """What is to be aligned: a report's reading, and the orders (of all situations, in order) and text made of it."""

    report: str
    context: Context
    situations: tuple[Situation, ...]
    orders: tuple[Order, ...]
    instruction: str


def align(answer: Answer, attention: Attention, doctrine: Doctrine) -> tuple[Alignment, ...]:
    """All facts of all situations, then all orders."""
    looking = Looking(attention, answer.report)
    facts = {
        alignment.path: alignment
        for index, situation in enumerate(answer.situations)
        for alignment in _align_facts(answer, index, situation, looking, doctrine)
    }
    return (*facts.values(), *_align_orders(answer, facts, looking, doctrine))


class Looking:
    """Where in the report the network looks: cross attention of the last layer, all heads together.

    The last layer is the one whose choice the output is; those below it still look ahead and back.
    """

    def __init__(self, attention: Attention, report: str) -> None:
        self._weights_TS = attention.weights["cross"][-1].mean(axis=0)
        self._attention = attention
        self._report = report

    def rows_of(self, part: str, start: int = 0, end: int | None = None) -> list[int]:
        """The rows that write a part of the target; of its text those from ``start`` to ``end``."""
        return [
            row
            for row, token in enumerate(self._attention.target)
            if token.part == part and (end is None or start <= token.start < token.end <= end)
        ]

    def at(self, rows: Sequence[int]) -> tuple[tuple[Span, ...], float]:
        """The spans that these rows look at, and their share of the attention; none where it is scattered."""
        shares = self._shares(rows)
        if not shares.any():
            return (), 0.0
        chosen = shares >= _OF_THE_BEST * shares.max()
        spans = join([(at, at + 1) for at in np.flatnonzero(chosen).tolist()])
        heaviest = sorted(spans, key=lambda span: -float(shares[slice(*span)].sum()))[:_MOST_SPANS]
        score = sum(float(shares[slice(*span)].sum()) for span in heaviest)
        return (join(heaviest), min(score, 1.0)) if score >= _LEAST_SHARE else ((), 0.0)

    def _shares(self, rows: Sequence[int]) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
        """What each letter and digit of the report gets; marks and spaces, on which attention rests, get nothing."""
        shares = np.zeros(len(self._report))
        if not rows:
            return shares
        looked_S = self._weights_TS[list(rows)].mean(axis=0)
        for weight, token in zip(looked_S.tolist(), self._attention.source, strict=True):
            if token.part == "report" and token.end > token.start:
                shares[token.start : token.end] += weight / (token.end - token.start)
        words = [character.isalnum() for character in self._report]
        return np.where(words, shares, 0.0)


def _align_facts(
    answer: Answer, index: int, situation: Situation, looking: Looking, doctrine: Doctrine
) -> Iterator[Alignment]:
    normalized = normalize(answer.report)
    stated = find_evidence(situation, normalized.text, doctrine)
    places = _places_in(normalized.text, answer.situations)
    for path, text in name_facts(situation).items():
        whole = f"situations[{index}].{path}"
        alignment = Alignment("fact", whole, text, (), 0.0, "none")
        if path in stated:
            own = stated[path] if path == "location" else _told_of(index, stated[path], places)
            spans = join([normalized.span(*span) for span in own])
            yield replace(alignment, spans=spans, score=1.0, evidence="rule")
        elif path == "location" and stands_in(situation.location, normalize_context(answer.context).location):
            yield replace(alignment, score=1.0, evidence="context")
        else:
            spans, score = looking.at(looking.rows_of(whole))
            yield replace(alignment, spans=spans, score=score, evidence="attention") if spans else alignment


def _places_in(report: str, situations: Sequence[Situation]) -> list[tuple[int, int]]:
    """Where a report names the places of its incidents, each with its incident; not those that several share."""
    shared = Counter(situation.location for situation in situations)
    return sorted(
        (start, index)
        for index, situation in enumerate(situations)
        if shared[situation.location] == 1
        for start in find_place(situation.location, report)
    )


def _told_of(index: int, spans: Sequence[Span], places: Sequence[tuple[int, int]]) -> Sequence[Span]:
    """Of spans those of one incident, whose place is the last that is named before them; all where none is its own."""
    own = []
    for span in spans:
        before = [incident for start, incident in places if start <= span[0]] or [
            incident for _, incident in places[:1]
        ]
        own += [span] if before[-1:] == [index] else []
    return own or spans


def _align_orders(
    answer: Answer, facts: Mapping[str, Alignment], looking: Looking, doctrine: Doctrine
) -> Iterator[Alignment]:
    issued = issued_orders(normalize_context(answer.context), doctrine)
    ruled = [
        (order, [f"situations[{at}].{path}" for path in paths])
        for at, situation in enumerate(answer.situations)
        for order, paths in _causes(situation, issued, doctrine).items()
    ]
    said: Counter[str] = Counter()
    for index, order in enumerate(answer.orders):
        alignment = Alignment("order", f"plan[{index}]", _words_of(order), (), 0.0, "none")
        same = next((at for at, (known, _) in enumerate(ruled) if known == order), None)
        causes = [] if same is None else ruled.pop(same)[1]  # two incidents may have orders that are alike
        rows = _rows_writing(order, said[order.item], answer.instruction, looking)
        said[order.item] += order.action in SPOKEN_ACTIONS
        found = [facts[path] for path in causes if facts[path].evidence != "none"]
        if found:
            spans = join([span for fact in found for span in fact.spans])
            score = sum(fact.score for fact in found) / len(causes)
            evidence: Evidence = "doctrine" if spans else "context"
            yield replace(alignment, spans=spans, score=score, evidence=evidence, facts=tuple(causes))
            continue
        spans, score = looking.at(rows)
        if spans:
            alignment = replace(alignment, spans=spans, score=score, evidence="attention")
        yield replace(alignment, facts=tuple(causes))


def _causes(situation: Situation, issued: Sequence[Order], doctrine: Doctrine) -> dict[Order, list[str]]:
    """For each order that doctrine gives, the facts without which it would not be given so.

    Where there are two reasons for an order, either of which is enough, it depends on both.
    """
    orders = doctrine.plan(situation, issued).orders
    paths = [path for path, _ in situation_parts(situation) if path not in ("", "kind", "location")]
    causes: dict[Order, list[str]] = {order: [] for order in orders}
    pairs = combinations(paths, 2) if len(paths) <= _MOST_PAIRED else ()
    for removed in (*((path,) for path in paths), *pairs):
        still = {_amount_of(order) for order in doctrine.plan(_without(situation, removed), issued).orders}
        for order, known in causes.items():
            if _amount_of(order) not in still and not set(removed) & set(known):
                known += removed
    for order in orders:
        if situation.location and (order.action in _PLACING or "位置" in order.item):
            causes[order].append("location")
    return causes


def _amount_of(order: Order) -> tuple[str, int | None, str]:
    """What is sent, and how much of it: the verb (派, 增派, 随行) is chosen by what else is sent."""
    return order.item, order.count, order.unit


def _without(situation: Situation, paths: Sequence[str]) -> Situation:
    """The situation without these facts."""
    data = situation.to_dict()
    lists: dict[str, set[int]] = {}
    for path in paths:
        if path.endswith("]"):
            field, index = path[:-1].split("[")
            lists.setdefault(field, set()).add(int(index))
        else:
            field, _, label = path.partition(".")
            del data[field][label]
    for field, indexes in lists.items():
        data[field] = [value for at, value in enumerate(data[field]) if at not in indexes]
    return Situation.from_dict(data)


def _rows_writing(order: Order, nth: int, instruction: str, looking: Looking) -> list[int]:
    """The rows of the clause that says an order, the nth (from 0) of its item; none for what is data alone."""
    start = 0
    for clause in split_orders(instruction) if order.action in SPOKEN_ACTIONS else ():
        if order.item in clause:
            if nth == 0:
                return looking.rows_of("instruction", start, start + len(clause))
            nth -= 1
        start += len(clause)
    return []


def _words_of(order: Order) -> str:
    return f"{order.action}{order.count or ''}{order.unit}{order.item}"
