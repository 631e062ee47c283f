"""Pairs: a scenario, a place and a context become a report and what doctrine answers to it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dispatch.domain import Context, Order, Situation, make_plans, render_instruction
from training.corpus import Pair
from training.synthesis.gazetteer import Gazetteer
from training.synthesis.holdout import Draw
from training.synthesis.lexicon import Lexicon
from training.synthesis.phrasing import Phrasing
from training.synthesis.scenario import SAMPLERS, draw_scenario

_HAZARDS = tuple(SAMPLERS)


@dataclass(frozen=True)
class _Placing:
    """Where the incident is: what the report says, what the context says, and which of them is the location."""

    said: str
    context: str
    location: str


class PairGenerator:
    """An endless source of pairs, reproducible by seed.

    ``unseen`` pairs are made of held-out names and numbers alone, the others of the rest (see holdout.py).
    """

    def __init__(self, lexicon: Lexicon, seed: int, unseen: bool) -> None:
        self._draw = Draw(random.Random(f"{seed}:{unseen}"), unseen)
        self._gazetteer = Gazetteer(lexicon)
        self._phrasing = Phrasing(lexicon)

    def pairs(self, other_share: float = 0.06) -> Iterator[Pair]:
        """``other_share`` of the pairs are no requests: offers, resolved incidents, news and chatter."""
        while True:
            hazard = self._draw.rng.choice(_HAZARDS)
            yield self._other(hazard) if self._draw.chance(other_share) else self._request(hazard)

    def _request(self, hazard: str) -> Pair:
        draw = self._draw
        scenario = draw_scenario(hazard, draw)
        placing = self._place(hazard)
        report = self._phrasing.report(scenario, placing.said, draw)
        situation = Situation(location=placing.location, **scenario.fields)
        context = Context(placing.context, self._issued(situation))
        return _pair(report, context, situation)

    def _other(self, hazard: str) -> Pair:
        draw = self._draw
        kind = draw.rng.choice(("offer", "resolved", "other"))
        place = self._gazetteer.place(draw)
        report = self._phrasing.other(kind, hazard, place, draw)
        context = Context(self._gazetteer.place(draw) if draw.chance(0.1) else "")
        return _pair(report, context, Situation(kind=kind))

    def _place(self, hazard: str) -> _Placing:
        """A specific span of the report wins; else the context's location; else the generic span."""
        draw = self._draw
        specific, generic = self._gazetteer.place(draw), self._gazetteer.generic(hazard, draw)
        kind = draw.rng.random()
        if kind < 0.62:
            return _Placing(specific, "", specific)
        if kind < 0.72:
            return _Placing(specific, self._gazetteer.place(draw), specific)
        if kind < 0.86:
            return _Placing(generic, specific, specific)
        if kind < 0.92:
            return _Placing("", specific, specific)
        if kind < 0.97:
            return _Placing(generic, "", generic)
        return _Placing("", "", "")

    def _issued(self, situation: Situation) -> tuple[str, ...]:
        """At times part of what doctrine wants was ordered before, for this place or for another one."""
        draw = self._draw
        if not situation.location or not draw.chance(0.25 if "reinforce" not in situation.facts else 0.8):
            return ()
        place = situation.location if draw.chance(0.85) else self._gazetteer.place(draw)
        (plan,) = make_plans([situation], Context())
        heads = [order for order in plan.spoken() if order.action == "派" and order.count]
        if not heads or draw.chance(0.15):
            return (render_instruction([plan]),)
        return (f"派{_part_of(draw.rng.choice(heads), draw)}至{place}",)


def _part_of(order: Order, draw: Draw) -> str:
    assert order.count is not None
    return f"{draw.rng.randint(1, order.count)}{order.unit}{order.item}"


def _pair(report: str, context: Context, situation: Situation) -> Pair:
    instruction = render_instruction(make_plans([situation], context))
    return Pair(report=report, instruction=instruction, context=context, situations=(situation,))


def hazards_of(pairs: Sequence[Pair]) -> dict[str, int]:
    """How many of the pairs are requests in each hazard; other kinds count under their kind."""
    counts: dict[str, int] = {}
    for pair in pairs:
        situation = pair.situations[0]
        key = situation.hazards[0] if situation.kind == "request" else situation.kind
        counts[key] = counts.get(key, 0) + 1
    return counts
