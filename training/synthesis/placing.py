"""Where the clause that names an incident's place stands in a report, and the other places that are spoken of."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from dispatch.domain.places import is_vague_place
from training.synthesis.draft import Block
from training.synthesis.gazetteer import Gazetteer
from training.synthesis.holdout import Draw
from training.synthesis.lexicon import Lexicon, Template
from training.synthesis.styles import Voice

_OTHER_PLACES = ("elsewhere", "onward", "hometown")  # slots of places where nobody needs help
_LONGEST_OTHER = 20
_AMID = 0.2  # of places: behind a fact, not first or last
_AMID_FORMALLY = 0.08
_BARE = 0.25  # of places that are said first: nothing but the place
_BARE_BRIEFLY = 0.5
_BARE_TERSELY = 0.8
_BRIEF = 0.6  # of the style's middling length: reports without a story
_NARRATED = 0.3  # of all other places of a name: told by how one came to it
_WITH_HAZARD = 0.4  # of those left: told in one clause with the hazard
_RELAYED_AMID, _RELAYED_LAST = 0.2, 0.15
_DECOYS = 0.46  # of reports of middling length: a place where nobody needs help, in a clause of its own
_DECOYS_FROM_AFAR = 0.32  # who is elsewhere says of many places already where they are
_DECOYS_FORMALLY = 0.12
_DECOYS_BESIDE_NO_NAME = 0.15  # a name beside 山区公路 or beside no place
_SECOND_DECOY = 0.2
# What a place without a mark behind it would seem to go on with: 郭勒|林子里的火, 记沟|山岳遇险, 停车场|仓库着火.
_READS_ON = re.compile(
    "[东西南北上下里外内前后左右中侧边旁附口头底沿对高一二三四五六七八九十两多半0-9]"
    "|.{0,3}?(?:[村镇乡街路桥楼房屋宅舍门窗墙山坡崖岩沟河江湖海坝堤林草田地厂店馆院站矿井段处塔棚库罐台坑]|车间|隧道|小区|学校|实验室|现场|省道)"
)


@dataclass(frozen=True)
class Site:
    """Where a report says an incident is ("" for nowhere), and whether somebody says so who is not there.

    ``relation``: how the place is told by that of another incident: ``named`` (顺着那条路再往里,到石桥村), ``span`` (a
    place that is nothing but the way from the other: 再往里两公里), or "" for by itself.
    """

    place: str
    elsewhere: bool = False
    relation: str = ""


@dataclass(frozen=True)
class Stand:
    """How a place stands in a report: the list of frames its clause is of, and where the clause is said."""

    frame: str  # a list of the style; "placed": with the hazard; "related": by the other's place; "": the bare place
    position: str = "first"  # or amid, last


class Placing:
    """Draws how places stand in reports."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._gazetteer = Gazetteer(lexicon)

    def stand(self, voice: Voice, site: Site, relays: bool, alone: bool, draw: Draw) -> Stand:
        """``relays``: the clause has to say that the speaker is elsewhere. ``alone``: no other incident stands beside
        this one without a word between them, so that the place may stand behind the facts."""
        if site.relation:
            return Stand("related")
        if relays:
            return Stand("relay", _relayed_position(draw) if alone else "first")
        if alone and draw.chance(voice.style.place_last):
            return Stand("place_last", "last")
        brief = voice.length < _BRIEF * voice.style.median
        named = not is_vague_place(site.place) and not voice.is_terse
        if alone and not voice.is_terse and draw.chance(_AMID if voice.spoken else _AMID_FORMALLY):
            return Stand("narrated" if named and not brief and draw.chance(_NARRATED) else "amid", "amid")
        if draw.chance(_BARE_TERSELY if voice.is_terse else _BARE_BRIEFLY if brief else _BARE):
            return Stand("")
        if named and not brief and draw.chance(_NARRATED):
            return Stand("narrated")
        return Stand("placed" if named and draw.chance(_WITH_HAZARD) else "place")

    def slots(self, template: Template, places: Collection[str], draw: Draw) -> Mapping[str, str]:
        """The other places that a template speaks of, none of which could be taken for one of ``places``."""
        found: dict[str, str] = {}
        for name in template.slots:
            if name in _OTHER_PLACES:
                make = self._gazetteer.settlement if name == "hometown" else self._gazetteer.elsewhere
                found[name] = _other_place(make, (*places, *found.values()), draw)
        return found

    def count_decoys(self, voice: Voice, sites: Sequence[Site], draw: Draw) -> int:
        """How many clauses of a report speak of places where nobody needs help."""
        if voice.length < _BRIEF * voice.style.median:
            return 0
        chance = _DECOYS if voice.spoken or voice.name == "post" else _DECOYS_FORMALLY
        if any(site.elsewhere for site in sites):
            chance = min(chance, _DECOYS_FROM_AFAR)
        if all(is_vague_place(site.place) for site in sites):
            chance = min(chance, _DECOYS_BESIDE_NO_NAME)
        return 1 + draw.chance(_SECOND_DECOY) if voice.has(chance, draw) else 0


def placed_block(stand: Stand, clause: str, place: str, units: Sequence[str], draw: Draw) -> Block:
    """The block of an incident whose place is named by ``clause``."""
    match stand.position:
        case "last":
            return Block("", tuple(units), place_last=clause)
        case "amid":
            at = draw.whole(min(1, len(units)), len(units))
            return Block("", (*units[:at], clause, *units[at:]))
        case _:
            leans = clause == place and not (units and _READS_ON.match(units[0]))
            return Block(clause, tuple(units), bare_place=leans)


def _other_place(make: Callable[[Draw], str], places: Collection[str], draw: Draw) -> str:
    while True:
        other = make(draw)
        overlaps = any(place and (place in other or other in place) for place in places)
        if not overlaps and 1 < len(other) <= _LONGEST_OTHER:
            return other


def _relayed_position(draw: Draw) -> str:
    kind = draw.random()
    if kind < _RELAYED_AMID:
        return "amid"
    return "last" if kind < _RELAYED_AMID + _RELAYED_LAST else "first"
