"""Checks on hazards: words that name one beyond doubt, and no situation that has it.

A hazard that is left out leaves people out. Few words are beyond doubt; what callers say in their own is not here.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dispatch.domain.amounts import clause_of, simplified
from dispatch.domain.findings import Candidate, Check
from dispatch.domain.places import find_place
from dispatch.domain.situation import Situation

# Each word with the hazards that may be read in it, the one that it names first.
_WORDS: Sequence[tuple[re.Pattern[str], tuple[str, ...]]] = (
    (re.compile("雪崩"), ("avalanche",)),
    (re.compile("泥石流|滑坡|塌方"), ("landslide", "collapse")),
    (re.compile("(?:森林|草原|山林)(?:起火|着火|失火|火灾)|山火"), ("wildfire",)),
    (re.compile("(?<![余抗防])地震(?!局|台|预警|带)"), ("earthquake",)),
    (re.compile("山洪|洪水|内涝|溃坝|决堤"), ("flood", "typhoon", "landslide")),
    (re.compile("车祸|追尾|连环相?撞"), ("traffic_accident", "hazmat")),
    (re.compile("(?<![0-9一二两三四五六七八九十百])台风(?!力)"), ("typhoon", "flood")),
    (re.compile("[房屋楼墙][^,。]{0,3}(?:倒塌|坍塌|垮塌|塌了)"), ("collapse", "earthquake", "landslide")),
    (
        re.compile("(?<![前打点不])[起着失]火(?![车种])|火灾"),
        ("building_fire", "wildfire", "hazmat", "traffic_accident"),
    ),
    (re.compile("大雪封|积雪|雪灾"), ("snow_road", "avalanche", "mountain_rescue")),
    (re.compile("(?:危化品|化学品|[液毒氯氨]气?|槽?罐车)[^,。]{0,4}泄[漏露]"), ("hazmat",)),
)
# In the same clause: it has not happened here, or not now, or somebody only fears or expects it.
_NOT_SO = re.compile(
    "[没无未非]|不是|[怕防避免]|担心|可能|也许|如果|要是|万一|预[报警]|演[练习]|去年|前年|当年|以前|上次|以为|像|似|误|假|谣|结束|解除|已过|险情?排除"
)


def unread_hazards(report: str, situations: Sequence[Situation]) -> list[tuple[int, int, str]]:
    """Where a report (NFKC) names a hazard that none of the situations has: start, end (code points), and the hazard.

    Nothing where no situation is a request. What stands in the name of a place (梭山火车站) names no hazard.
    """
    if all(situation.kind != "request" for situation in situations):
        return []
    read = {hazard for situation in situations for hazard in situation.hazards}
    spelled = simplified(report)
    found = [
        (match.start(), match.end(), hazards[0])
        for words, hazards in _WORDS
        if not read.intersection(hazards)
        for match in words.finditer(spelled)
        if not _NOT_SO.search(clause_of(spelled, match.start(), match.end()))
    ]
    places = [
        (start, start + len(situation.location))
        for situation in situations
        if found
        for start in find_place(situation.location, report)
    ]
    return [(start, end, hazard) for start, end, hazard in found if not any(a < end and start < b for a, b in places)]


@dataclass(frozen=True)
class Misplaced:
    """A situation that lacks the hazard named right behind its place: its index, and where the report names which."""

    situation: int
    start: int
    end: int
    hazard: str


def misplaced_hazards(report: str, situations: Sequence[Situation]) -> list[Misplaced]:
    """Where one of several incidents has another's hazard: B区塌方,A区雪崩, and B区 is read as an avalanche.

    Only for a situation of a single hazard, which is named right behind the place of another, and not beside its own,
    and of a place that no other situation has: there more than one thing may have happened.
    """
    spelled = simplified(report)
    behind = [_named_behind(situation.location, report, spelled) for situation in situations]
    found = []
    for index, situation in enumerate(situations):
        named = behind[index]
        if named is None or len(situation.hazards) != 1 or situation.hazards[0] in named[1]:
            continue
        others = [each for other, each in enumerate(behind) if other != index and each is not None]
        if any(each.start() == named[0].start() for each, _ in others):
            continue
        if not any(situation.hazards[0] in hazards for _, hazards in others):
            continue
        word, hazards = named
        clause = clause_of(spelled, word.start(), word.end())
        own = any(situation.hazards[0] in each and words.search(clause) for words, each in _WORDS)
        if not own and not _NOT_SO.search(clause):
            found.append(Misplaced(index, word.start(), word.end(), hazards[0]))
    return found


def _named_behind(place: str, report: str, spelled: str) -> tuple[re.Match[str], tuple[str, ...]] | None:
    """The word for a hazard right behind a place that stands once in the report, and what may be read in it."""
    starts = list(find_place(place, report))
    if len(starts) != 1:
        return None
    matches = ((words.match(spelled, starts[0] + len(place)), hazards) for words, hazards in _WORDS)
    return next(((match, hazards) for match, hazards in matches if match), None)


def check_hazards(candidate: Candidate) -> Iterator[Check]:
    """UNREAD_HAZARD, for each situation that has another hazard than its place, and for each hazard that none has."""
    told = set()
    for misplaced in misplaced_hazards(candidate.report, candidate.situations):
        place = candidate.situations[misplaced.situation].location
        word = candidate.report[misplaced.start : misplaced.end]
        message = f"{word} stands right behind {place} in the report, and its situation has another hazard"
        yield Check("UNREAD_HAZARD", "warning", message, "report", misplaced.start, misplaced.end)
        told.add(misplaced.hazard)
    for start, end, hazard in unread_hazards(candidate.report, candidate.situations):
        if hazard not in told:
            told.add(hazard)
            message = f"{candidate.report[start:end]} stands in the report, and no situation has it"
            yield Check("UNREAD_HAZARD", "warning", message, "report", start, end)
