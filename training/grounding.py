"""Grounding: where the numbers and places of an instruction come from, judged by the texts alone.

It needs no labels and shares no code with the network. A number must be said in the report or the context, in digits
or in words, or be what doctrine computes from an answered situation whose own numbers are all said there. A place must
be a verbatim span of the report or of the context's location. It errs on the lenient side: a number that is said of
something else counts as said.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from dispatch.domain import Context, Situation, make_plans, parse_orders, render_instruction
from dispatch.domain.extraction import find_numbers
from dispatch.domain.plan import UNKNOWN_PLACE
from training.stated import Stated, read_stated

# 通知120派…: a telephone number by which a service goes, unless it counts something.
_SERVICE = re.compile(r"(?<!\d)(?:110|119|120|122)(?!\d)(?![名位个台辆艘只人条件套份升顶])", re.ASCII)


@dataclass(frozen=True)
class Grounding:
    """How many numbers and places an instruction names, and which of them come from nowhere."""

    numbers: int
    places: int
    ungrounded_numbers: tuple[str, ...]
    ungrounded_places: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether everything comes from somewhere."""
        return not self.ungrounded_numbers and not self.ungrounded_places


def ground(instruction: str, report: str, context: Context, situations: Sequence[Situation]) -> Grounding:
    """Looks for every number and place of an instruction in what was known when it was written.

    The digits inside a place are part of the place.
    """
    instruction, report = _nfkc(instruction), _nfkc(report)
    context = Context(_nfkc(context.location), tuple(_nfkc(text) for text in context.issued))
    places = {order.place for order in parse_orders(instruction)} - {""}
    numbers_text = _SERVICE.sub("", _without(instruction, places))
    stated = read_stated((report, context.location, *context.issued))
    computed = _computed(situations, context, stated)
    numbers = find_numbers(numbers_text)
    return Grounding(
        numbers=len(numbers),
        places=len(places),
        ungrounded_numbers=tuple(
            numbers_text[number.start : number.end]
            for number in numbers
            if number.value not in computed and not stated.has(number.value)
        ),
        ungrounded_places=tuple(
            place
            for place in sorted(places - {UNKNOWN_PLACE})
            if not (_is_span(place, report) or _is_span(place, context.location))
        ),
    )


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _without(text: str, places: set[str]) -> str:
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, ",")
    return text


def _is_span(place: str, text: str) -> bool:
    """Whether a place stands in a text and cuts no number or road code in two: S6 is no span of S65."""
    # Doctrine and the checks look for places too. This is no copy to be merged with theirs: a measure that used the
    # rule of what it judges would be blind to that rule's mistakes.
    start = text.find(place)
    while start >= 0:
        end = start + len(place)
        before, after = text[max(start - 1, 0) : start], text[end : end + 1]
        if not (_in_one_word(before, place[0]) or _in_one_word(place[-1], after)):
            return True
        start = text.find(place, start + 1)
    return False


def _in_one_word(left: str, right: str) -> bool:
    return all(character.isascii() and character.isalnum() for character in (left, right))


def _computed(situations: Sequence[Situation], context: Context, stated: Stated) -> set[float]:
    """The numbers that doctrine computes from those situations whose own numbers are all stated."""
    sound = [situation for situation in situations if _is_stated(situation, stated)]
    if not sound:
        return set()
    return {number.value for number in find_numbers(render_instruction(make_plans(sound, context)))}


def _is_stated(situation: Situation, stated: Stated) -> bool:
    numbers = [item.count for item in situation.requested]
    numbers += situation.measures.values()
    # A fact of one (an ankle, a car) is told, not counted; True equals 1 and is no number.
    numbers += (value for value in situation.facts.values() if value != 1)
    return all(map(stated.has, numbers)) and all(map(stated.has_count, situation.people.values()))
