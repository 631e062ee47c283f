"""The guard: what never leaves as the network wrote it, however sure the network is.

Places are spans of what was said, or unknown; nobody is left alone on a doubtful reading that nobody asks for help.
Pure functions on texts (normalised) and situations: they share no code with the network.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dispatch.domain import Check, Context, Doctrine, Order, Plan, Situation, parse_orders
from dispatch.domain.hazard_checks import misplaced_hazards
from dispatch.domain.places import stands_in
from dispatch.domain.plan import UNKNOWN_PLACE

CALLBACK = Order("应急", "回拨", "核实")
_CALLBACK_CLAUSE = CALLBACK.action + CALLBACK.item
_ASK_PLACE = "回拨核实位置"

# Whoever says this may be in danger at this moment …
_PLEAS = re.compile("救命(?!恩)|求救|(?<!无人)被困")
# … unless a word says that it is over, or is not meant so, or that somebody offers to go there.
_OVER = (
    "(?<![未没不无法能有])(?:救出|救下|获救|脱险|脱困|平安|解除|消除|结束|终止|終止|结案|销案|归队|取消|撤销|误会|误报|接走|作废)"
    r"|[已都]\w{0,6}转移|存[档檔]"
)
_NOT_MEANT = (
    "演练|演习|比武|脚本|测试|谣言|不实|假的|假警|假设|虚拟|骗|玩笑|游戏|哈哈|剧情|电影|小说|课堂|提示|摘[录錄]|年前|去年"
    "|没有人|[别勿不]再?派|别再"
)
_OFFERED = "愿|无偿|無償|免费|免費|捐|待命|可随时|可隨時|可派"
_NOT_PLEADING = re.compile(f"{_OVER}|{_NOT_MEANT}|{_OFFERED}")

_LONGEST_REPAIRED = 30  # characters: what is longer is no name of a place
_MOST_CHANGED = 2  # characters lost, doubled or changed
_MOST_COMPARED = 500  # spans: among more there is no telling which, and to compare them all would take seconds
_LEAST_KEPT = 2  # characters that must be the same
_BETWEEN_NAMES = re.compile(r"[^\w\-+]")
_FEW = 3  # of a name of so many characters only one may have changed


@dataclass(frozen=True)
class Correction:
    """A place that the network wrote and nobody has said, and the nearly equal one that was ("" for none)."""

    written: str
    said: str

    def check(self, text: str) -> Check:
        """What a reviewer is told of it, beside the instruction's text."""
        if self.said:
            message = f"the model wrote {self.written}, which nobody has said; {self.said} is taken instead: compare"
        else:
            message = f"the model wrote {self.written}, which is neither in the report nor in the context: call back"
        place = self.said or UNKNOWN_PLACE
        start = text.find(place)
        span = (start, start + len(place)) if start >= 0 else (0, 0)
        return Check("UNGROUNDED_PLACE", "warning" if self.said else "error", message, "instruction", *span)


def ground_situations(
    situations: Sequence[Situation], report: str, context: Context
) -> tuple[tuple[Situation, ...], tuple[Correction, ...]]:
    """Situations whose places are spans of report or context: what is not becomes what is nearly equal, or unknown."""
    grounded, corrections = [], []
    for situation in situations:
        place = situation.location
        if place and not _is_said(place, report, context):
            corrections.append(Correction(place, find_nearest(place, (report, context.location))))
            situation = replace(situation, location=corrections[-1].said)
        grounded.append(situation)
    return tuple(grounded), tuple(corrections)


def place_hazards(situations: Sequence[Situation], report: str) -> tuple[Situation, ...]:
    """The situations of several incidents, each with the hazard that is named behind its place."""
    named = {misplaced.situation: misplaced.hazard for misplaced in misplaced_hazards(report, situations)}
    return tuple(
        replace(situation, hazards=(named[index],)) if index in named else situation
        for index, situation in enumerate(situations)
    )


def ground_text(
    text: str, prefix: str, report: str, context: Context, doctrine: Doctrine
) -> tuple[str, tuple[Correction, ...]]:
    """The same for the places of a text that has to stay; what an operator has typed of it (``prefix``) is left."""
    kept = prefix if text.startswith(prefix) else ""
    rest, corrections = text[len(kept) :], []
    places = {order.place for order in parse_orders(text, doctrine)} - {"", UNKNOWN_PLACE}
    for place in sorted(places, key=len, reverse=True):
        if place in rest and not _is_said(place, report, context):
            corrections.append(Correction(place, find_nearest(place, (report, context.location))))
            rest = rest.replace(place, corrections[-1].said or UNKNOWN_PLACE)
    if any(not correction.said for correction in corrections) and _ASK_PLACE not in rest:
        rest += f",{_ASK_PLACE}"
    return kept + rest, tuple(corrections)


def find_nearest(place: str, sources: Sequence[str]) -> str:
    """The one span of the sources that is nearly equal to a place; "" where there is none, or no telling which.

    Nearly equal is what differs by one character lost, doubled or changed and has the same beginning or end, or by two
    and has both.
    """
    if not _LEAST_KEPT <= len(place) <= _LONGEST_REPAIRED:
        return ""
    letters = frozenset(place)
    spans = {
        span
        for source in sources
        for span in _spans_like(place, source)
        if len(letters.difference(span)) <= _MOST_CHANGED  # what was changed takes away one character at most
    }
    if len(spans) > _MOST_COMPARED:
        return ""
    near: dict[str, tuple[int, int, int]] = {}
    for span in spans:
        changed = _distance(place, span)
        if _is_near(place, span, changed):
            near[span] = (changed, -_shared_ends(place, span), abs(len(place) - len(span)))
    best = [span for span, rank in near.items() if rank == min(near.values())]
    return best[0] if len(best) == 1 else ""


def is_dismissal(situations: Sequence[Situation]) -> bool:
    """Whether what was read sends nobody."""
    return bool(situations) and all(situation.kind != "request" for situation in situations)


def pleads(report: str) -> bool:
    """Whether the words of a report are those of people in danger, and none says that it is over or not meant so.

    A second opinion on what the network reads as no request: where the words say more than this, the network's own
    certainty decides alone.
    """
    return bool(_PLEAS.search(report)) and not _NOT_PLEADING.search(report)


def as_request(situations: Sequence[Situation]) -> tuple[Situation, ...]:
    """One request with all that was read of the first situation: the rest of a dismissal names no other incident."""
    return (replace(situations[0], kind="request"),)


def may_be_no_request(kind: str, kind_confidence: float, pleading: bool) -> Check:
    """Stands beside a request that the network reads as something else."""
    why = "its words are those of people in danger" if pleading else f"the model is not sure ({kind_confidence:.2f})"
    message = f"this may be no request: read as {kind}, but {why}: call back"
    return Check("NOT_A_REQUEST", "warning", message, "report")


def asks_back(text: str) -> bool:
    """Whether an instruction has somebody call back."""
    return CALLBACK.action in text


def with_callback(plans: Sequence[Plan]) -> tuple[Plan, ...]:
    """The plans, each of which has somebody call back."""
    return tuple(
        plan if any(order.action == CALLBACK.action for order in plan.orders) else plan.ending_in([CALLBACK])
        for plan in plans
    )


def text_with_callback(text: str) -> str:
    """A text that has to stay, at whose end somebody is told to call back."""
    return f"{text},{_CALLBACK_CLAUSE}" if text else _CALLBACK_CLAUSE


def _is_said(place: str, report: str, context: Context) -> bool:
    return stands_in(place, report) or stands_in(place, context.location)


def _spans_like(place: str, source: str) -> Iterator[str]:
    """The spans of about the length of a place that begin or end as it does and cut no number or word in two."""
    lengths = range(max(_LEAST_KEPT, len(place) - _MOST_CHANGED), len(place) + _MOST_CHANGED + 1)
    for at, character in enumerate(source):
        for length in lengths:
            spans = []
            if character == place[0]:
                spans.append((at, at + length))
            if character == place[-1]:
                spans.append((at + 1 - length, at + 1))
            for start, end in spans:
                span = source[max(0, start) : end]
                if len(span) == length and stands_in(span, source[max(0, start - 1) : end + 1]):
                    yield span


def _is_near(place: str, span: str, changed: int) -> bool:
    if _BETWEEN_NAMES.search(span) and not _BETWEEN_NAMES.search(place):
        return False  # what reaches over a comma is no name
    both_ends = place[0] == span[0] and place[-1] == span[-1]
    most = _MOST_CHANGED if both_ends and len(place) > _FEW else 1
    return changed <= most and min(len(place), len(span)) - changed >= _LEAST_KEPT


def _distance(left: str, right: str) -> int:
    """Characters inserted, removed or changed (Levenshtein 1966); more than _MOST_CHANGED are not counted on."""
    before = list(range(len(right) + 1))
    for row, character in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            change = before[column - 1] + (character != other)
            current.append(min(before[column] + 1, current[-1] + 1, change))
        if min(current) > _MOST_CHANGED:
            return _MOST_CHANGED + 1
        before = current
    return before[-1]


def _shared_ends(left: str, right: str) -> int:
    """How many characters both have in common at the beginning and at the end, none counted twice."""
    shortest = min(len(left), len(right))
    beginning = next((at for at in range(shortest) if left[at] != right[at]), shortest)
    rest = shortest - beginning
    return beginning + next((at for at in range(rest) if left[-1 - at] != right[-1 - at]), rest)
