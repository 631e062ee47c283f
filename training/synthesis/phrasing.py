"""Phrasing: scenarios and their places become the draft of a report, in the lexicon's words and one of five styles."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.synthesis.declining import SUPPLIES
from training.synthesis.draft import Block, Draft, glue
from training.synthesis.holdout import Draw
from training.synthesis.items import ITEMS
from training.synthesis.joint import Joint
from training.synthesis.lexicon import Entries, Lexicon, Template
from training.synthesis.placeholders import PlaceholderMaker
from training.synthesis.placing import Placing, Site, Stand, placed_block
from training.synthesis.styles import STYLES, Style, Voice
from training.synthesis.utterances import Scenario, Utterance

_MOST_PADDING = 16
_HAZARD_UNSAID = 0.45  # where the depth tells it: 山区公路积雪3米
_TELLING = {"snow_road": "snow_depth_m", "flood": "water_depth_m"}
_SAID_BEFORE_THE_PLACE = 0.35  # of relatives: that they are elsewhere, in the opening
_DECOY_FIRST = 0.3  # of clauses about other places: before that of the incident's
_SHUFFLED = 0.5  # of reports: facts in any order
_NEEDS_TOGETHER = 0.4  # of two needs and more that one clause can ask for
_NEED_IN_THE_STORY = 0.35  # of the needs of who speaks freely
_DECLINED_IN_THE_STORY = 0.6
_DECLINED_WITH_NEEDS = 0.5  # of what is declined beside needs: in one clause with them (吃的有,别送,只要船)
_DECLINED_FIRST = 0.4  # of what is declined in a clause of its own: before the needs
_MOST_NEEDS_BESIDE = 3
_NEEDS_ANYWHERE = 0.15  # of reports: needs among the facts, not behind them
_COMMON = ("digressions", "emotions", "times", "updates", "verified", "repost", "asides")
_AT_THE_END = ("contacts", "pleas", "repost", "closings")  # all else stands among the facts
_MOST_DRAWS = 100  # of a clause that must be said


class Phrasing:
    """Says scenarios in the lexicon's words."""

    def __init__(self, lexicon: Lexicon, placeholders: PlaceholderMaker) -> None:
        self._facts = {**lexicon.facts, **lexicon.people}
        self._frames = lexicon.frames
        self._placeholders = placeholders
        together = lexicon.facts["need"]["together"]
        self._together_keys = {
            register: [(frozenset(key.split(", ")), key) for key, said in together.items() if register in said]
            for register in ("formal", "spoken")
        }
        self._placing = Placing(lexicon)
        self.registers: Mapping[str, tuple[str, ...]] = {
            name: tuple(str(template.text) for template in lexicon.frames["styles"][name]["registers"])
            for name in STYLES
        }

    def can_relay(self, voice: Voice) -> bool:
        """Whether the style has words for a speaker who is not there and says where the others are."""
        return "relay" in self._frame(voice)

    def draft(
        self,
        voice: Voice,
        incidents: Sequence[tuple[Scenario, Site]],
        draw: Draw,
        asides: int = 0,
        joint: Joint | None = None,
    ) -> Draft:
        """The draft of a request of one incident, or of two that are told as ``joint`` says, with at least ``asides``
        numbers that count nobody."""
        assert (joint is None) == (len(incidents) == 1)
        calm = not any("rescue" in scenario.values("needs") for scenario, _ in incidents)
        elsewhere = any(site.elsewhere for _, site in incidents)
        speaker = _Speaker(self, voice, calm, elsewhere, draw)
        frame = self._frame(voice)
        sites = [site for _, site in incidents]
        relays = self._relays(speaker, sites[0])
        if joint and joint.by_turns:
            blocks = [Block("", tuple(self._units(s, s.hazards, speaker))) for s, _ in incidents]
            blocks = _in_halves(blocks) if joint.in_halves else blocks
        else:
            # Two incidents with nothing but a mark between them: whose place is it that stands there?
            alone = joint is None or joint.alone
            blocks = [self._block(scenario, site, speaker, sites, relays, alone) for scenario, site in incidents]
        opening = self._opening(speaker, sites[0], relays)
        decoys = self._decoys(speaker, sites)
        if decoys and sites[0].place and draw.chance(_DECOY_FIRST):
            opening = glue(opening, decoys.pop(), ",")
        tail: list[str] = []
        among = decoys + [speaker.say_surely("asides") for _ in range(asides)]
        for kind, chance in _chances(voice.style).items():
            if voice.has(chance, draw):
                (tail if kind in _AT_THE_END else among).extend(speaker.common(kind))
        draw.rng.shuffle(tail)
        said = len(opening) + sum(len(clause) + 1 for block in blocks for clause in block.clauses())
        self._pad(speaker, voice.length - said, among, tail)
        blocks[0] = _with_units(blocks[0], among, draw)
        return Draft(
            opening,
            tuple(blocks),
            _with_places(joint.template, sites) if joint else "",
            tuple(tail),
            tuple(template.text for template in frame["joiners"]),
            tuple(template.text for template in frame["finals"]),
        )

    def clauses(self, scenario: Scenario, voice: Voice, elsewhere: bool, draw: Draw) -> list[str]:
        """What a scenario says, a clause each, without place and frame; ``elsewhere``: by somebody who is not there."""
        speaker = _Speaker(self, voice, calm=True, elsewhere=elsewhere, draw=draw)
        return self._units(scenario, scenario.hazards, speaker)

    def place_clause(self, voice: Voice, site: Site, draw: Draw) -> str:
        """A clause that says where something is or was."""
        template = _from(site, self._frame(voice)["place"]).pick(draw)
        return self.fill_template(
            template, draw, {"place": site.place, **self._placing.slots(template, [site.place], draw)}
        )

    def _frame(self, voice: Voice) -> Mapping[str, Any]:
        frame: Mapping[str, Any] = self._frames["styles"][voice.name]
        return frame

    def entries(self, kind: str, voice: Voice) -> Entries | None:
        """The entries of a kind of clause: the style's own, or those that all styles share."""
        source = self._frames if kind in _COMMON else self._frame(voice)
        found = source.get(kind)
        return found if found is None or isinstance(found, Entries) else None

    def fill(self, entries: Entries, draw: Draw, given: Mapping[str, str] | None = None) -> str:
        return self.fill_template(entries.pick(draw), draw, given)

    def fill_template(self, template: Template, draw: Draw, given: Mapping[str, str] | None = None) -> str:
        return self._placeholders.fill(template, draw, given)

    def _relays(self, speaker: "_Speaker", site: Site) -> bool:
        """Whether the clause of the place is to say that the speaker is elsewhere; a relative's opening may, too."""
        if not site.elsewhere or not site.place or "relay" not in self._frame(speaker.voice):
            return False
        return not (speaker.voice.name == "relative" and speaker.draw.chance(_SAID_BEFORE_THE_PLACE))

    def _opening(self, speaker: "_Speaker", site: Site, relays: bool) -> str:
        """What is said before the place; a speaker who is elsewhere says so here or with the place."""
        if site.elsewhere and not relays and (not site.place or speaker.voice.name == "relative"):
            return speaker.say_surely("openings")
        if not site.place and speaker.draw.chance(0.5):
            return "".join(speaker.common("nowhere"))
        return (
            "".join(speaker.common("openings")) if speaker.voice.has(speaker.voice.style.opening, speaker.draw) else ""
        )

    def _block(
        self, scenario: Scenario, site: Site, speaker: "_Speaker", sites: Sequence[Site], relays: bool, alone: bool
    ) -> Block:
        if not site.place:
            return Block("", tuple(self._units(scenario, scenario.hazards, speaker)))
        stand = self._placing.stand(speaker.voice, site, relays, alone, speaker.draw)
        if stand.frame == "placed" and scenario.mild:
            stand = Stand("place")
        if not stand.frame:
            clause = site.place
        else:
            entries: Any
            match stand.frame:
                case "placed":
                    entries = self._frames["placed"][scenario.hazards[0]][speaker.register]
                case "related":
                    entries = self._frames["related"][site.relation][speaker.register]
                case _:
                    entries = self._frame(speaker.voice)[stand.frame]
            template = speaker.choose(entries if relays else _from(site, entries))
            places = [other.place for other in sites]
            given = {"place": site.place, **self._placing.slots(template, places, speaker.draw)}
            clause = self.fill_template(template, speaker.draw, given)
        hazards = scenario.hazards[1:] if stand.frame == "placed" else scenario.hazards
        units = self._units(scenario, hazards, speaker)
        return placed_block(stand, clause, site.place, units, speaker.draw)

    def _decoys(self, speaker: "_Speaker", sites: Sequence[Site]) -> list[str]:
        """Clauses about places where nobody needs help."""
        register = "distant" if speaker.elsewhere else "spoken" if speaker.voice.spoken else "formal"
        clauses, said = [], set()
        for _ in range(self._placing.count_decoys(speaker.voice, sites, speaker.draw)):
            template = self._frames["decoys"][register].pick(speaker.draw)
            if template.text not in said:
                said.add(template.text)
                given = self._placing.slots(template, [site.place for site in sites], speaker.draw)
                clauses.append(self.fill_template(template, speaker.draw, given))
        return clauses

    def _units(self, scenario: Scenario, hazards: Sequence[str], speaker: "_Speaker") -> list[str]:
        """Everything but the place; of the hazards those that are not said with it."""
        draw = speaker.draw
        facts = [",".join([self._utter(u, speaker) for u in unit]) for unit in scenario.units]
        if draw.chance(_SHUFFLED):
            draw.rng.shuffle(facts)
        tells = len(scenario.hazards) == 1 and _TELLING.get(scenario.hazards[0]) in scenario.values("measures")
        if not (tells and draw.chance(_HAZARD_UNSAID)):
            path = "mild" if scenario.mild else "hazard"
            facts = [self._utter(Utterance((path, hazard)), speaker) for hazard in hazards] + facts
        units = facts + self._needs(scenario, speaker)
        if draw.chance(_NEEDS_ANYWHERE):
            draw.rng.shuffle(units)
        return units

    def _utter(self, utterance: Utterance, speaker: "_Speaker") -> str:
        entries: Any = self._facts
        for key in utterance.path:
            entries = entries[key]
        if not isinstance(entries, Entries):
            entries = entries[speaker.register]
        return self.fill(_from(speaker, entries), speaker.draw, utterance.slots)

    def _needs(self, scenario: Scenario, speaker: "_Speaker") -> list[str]:
        """Needs as one list (急需发电机和医疗队), several in one clause, each in one, or all of these; then what is
        declined."""
        draw, words = speaker.draw, self._facts["need"]
        said = {ITEMS[item.item].need for item in scenario.values("requested")} | {scenario.said_of_both}
        needs = [need for need in scenario.values("needs") if need not in said]
        with_declined = self._needs_and_declined(scenario, needs, speaker)
        if with_declined:
            return with_declined
        if scenario.mild:
            asked = [self._mild_ask(need, speaker) for need in needs]
            return asked + self._declined(scenario, speaker)
        together = self._together(needs, speaker)
        clauses = [self._utter(Utterance(("need", "together", together)), speaker)] if together else []
        listed = []
        for need in needs:
            if need in together.split(", "):
                continue
            has_noun = need in words["nouns"]
            if speaker.voice.spoken and draw.chance(_NEED_IN_THE_STORY):
                clauses.append(self.fill(_from(speaker, words["spoken_clauses"][need]), draw))
            elif need in words["clauses"] and (not has_noun or draw.chance(0.35)):
                clauses.append(self.fill(words["clauses"][need], draw))
            else:
                listed.append(self.fill(words["nouns"][need], draw))
        draw.rng.shuffle(listed)
        for nouns in _in_lists(listed, draw):
            template = words["spoken_list" if speaker.voice.spoken else "list"]
            clauses.append(self.fill(template, draw, {"nouns": _enumerate(nouns, draw)}))
        draw.rng.shuffle(clauses)
        declined = self._declined(scenario, speaker)
        return declined + clauses if declined and draw.chance(_DECLINED_FIRST) else clauses + declined

    def _together(self, needs: Sequence[str], speaker: "_Speaker") -> str:
        """The key of needs that one clause asks for (boat, medical); "" for none."""
        if len(needs) < 2 or not speaker.draw.chance(_NEEDS_TOGETHER):
            return ""
        asked = frozenset(needs)
        keys = [key for together, key in self._together_keys[speaker.register] if together <= asked]
        return speaker.draw.pick(keys) if keys else ""

    def _mild_ask(self, need: str, speaker: "_Speaker") -> str:
        nouns = self.fill(self._facts["need"]["nouns"][need], speaker.draw)
        return self._utter(Utterance(("mild_ask", "need"), {"nouns": nouns}), speaker)

    def _needs_and_declined(self, scenario: Scenario, needs: Sequence[str], speaker: "_Speaker") -> list[str]:
        """What is declined in one clause with all that is asked for (吃的有,别送,只要船); none where it is to be said
        otherwise."""
        draw, declined, nouns = speaker.draw, scenario.values("not_needed"), self._facts["need"]["nouns"]
        if not declined or not 0 < len(needs) <= _MOST_NEEDS_BESIDE or not all(need in nouns for need in needs):
            return []
        besides = scenario.values("requested") or scenario.said_of_both in scenario.values("needs")
        if besides or not draw.chance(_DECLINED_WITH_NEEDS):  # 只要 says that this is all
            return []
        slots = {
            "nouns": _enumerate([self.fill(nouns[need], draw) for need in declined], draw),
            "wanted": _enumerate([self.fill(nouns[need], draw) for need in needs], draw),
        }
        kind = "supplies" if declined[0] in SUPPLIES else "units"
        return [self._utter(Utterance(("declined_but_needed", kind), slots), speaker)]

    def _declined(self, scenario: Scenario, speaker: "_Speaker") -> list[str]:
        """What is declined, in one clause."""
        draw, declined = speaker.draw, scenario.values("not_needed")
        if not declined:
            return []
        together = self._facts["not_needed_together"].get(", ".join(declined))
        if together and draw.chance(_DECLINED_IN_THE_STORY):
            return [self.fill(_from(speaker, together), draw)]
        if declined[0] not in SUPPLIES:
            entries = self._facts["units_not_needed"][speaker.register]
        else:
            told = speaker.voice.spoken and draw.chance(_DECLINED_IN_THE_STORY)
            entries = self._facts["spoken_not_needed" if told else "not_needed"]
        nouns = [self.fill(self._facts["need"]["nouns"][need], draw) for need in declined]
        return [self.fill(_from(speaker, entries), draw, {"nouns": _enumerate(nouns, draw)})]

    def _pad(self, speaker: "_Speaker", room: int, among: list[str], tail: list[str]) -> None:
        """Adds what is no fact until the room is used up."""
        room -= sum(len(clause) + 1 for clause in (*among, *tail))
        padding = speaker.voice.style.padding
        kinds, weights = tuple(padding), tuple(padding.values())
        for _ in range(_MOST_PADDING):
            if room < 6 or not kinds:
                return
            kind = speaker.draw.rng.choices(kinds, weights)[0]
            for clause in speaker.common(kind):
                (tail if kind in _AT_THE_END else among).append(clause)
                room -= len(clause) + 1


class _Speaker:
    """Says the clauses of one report, none of them twice."""

    def __init__(self, phrasing: Phrasing, voice: Voice, calm: bool, elsewhere: bool, draw: Draw) -> None:
        """``calm``: nobody asks for rescue, so that nothing that pleads for it is said."""
        self.voice = voice
        self.draw = draw
        self.elsewhere = elsewhere
        self._phrasing = phrasing
        self._calm = calm
        self._said: set[str] = set()

    @property
    def register(self) -> str:
        return "spoken" if self.voice.spoken else "formal"

    def choose(self, entries: Entries) -> Template:
        """One of the entries, if there is one that fits the speaker."""
        return (self._fitting(entries) or entries).pick(self.draw)

    def common(self, kind: str) -> list[str]:
        """A clause of a kind; none where the style has no such entries, or this one was said before."""
        entries = self._fitting(self._phrasing.entries(kind, self.voice))
        if not entries:
            return []
        template = entries.pick(self.draw)
        if template.text in self._said:
            return []
        self._said.add(template.text)
        clause = self._phrasing.fill_template(template, self.draw)
        return [clause] if clause else []

    def say_surely(self, kind: str) -> str:
        """A clause of a kind, neither empty nor said before. Raises ValueError where the lexicon has none."""
        for _ in range(_MOST_DRAWS):
            for clause in self.common(kind):
                return clause
        raise ValueError(f"lexicon: too few {kind} for the style {self.voice.name!r}")

    def _fitting(self, entries: Entries | None) -> Entries | None:
        if entries is None:
            return None
        entries = entries if self.elsewhere else entries.present
        return entries.calm if self._calm else entries


def _from(speaker: "Site | _Speaker", entries: Entries) -> Entries:
    """What somebody may say who is there or, where there is such, who is elsewhere."""
    return entries.distant if speaker.elsewhere and len(entries.distant) else entries


def _chances(style: Style) -> Mapping[str, float]:
    """How often a report of middling length holds a clause of each kind that is no fact."""
    return {
        "times": style.time,
        "asides": style.aside,
        "verified": style.verified,
        "contacts": style.contact,
        "pleas": style.plea,
        "repost": style.repost,
        "closings": style.closing,
    }


def _with_units(block: Block, clauses: Sequence[str], draw: Draw) -> Block:
    """The block with more clauses among its own, never right behind the place."""
    units = list(block.units)
    for clause in clauses:
        units.insert(draw.whole(min(1, len(units)), len(units)), clause)
    return Block(block.place_first, tuple(units), block.place_last, block.bare_place)


def _in_halves(blocks: Sequence[Block]) -> list[Block]:
    """The first parts of what is said of each incident, then the second ones; each has at least one clause."""
    halves = [
        (block.units[: (len(block.units) + 1) // 2], block.units[(len(block.units) + 1) // 2 :]) for block in blocks
    ]
    return [Block("", units) for half in zip(*halves, strict=True) for units in half]


def _with_places(template: str, sites: Sequence[Site]) -> str:
    first, second = (site.place for site in sites)
    return template.replace("{a}", first).replace("{b}", second)


def _in_lists(nouns: Sequence[str], draw: Draw) -> list[Sequence[str]]:
    """All in one list, or many in two."""
    if len(nouns) > 3 and draw.chance(0.5):
        middle = draw.whole(1, len(nouns) - 1)
        return [nouns[:middle], nouns[middle:]]
    return [nouns] if nouns else []


def _enumerate(nouns: Sequence[str], draw: Draw) -> str:
    """发电机、棉被和医疗队."""
    if len(nouns) == 1:
        return nouns[0]
    return "、".join(nouns[:-1]) + draw.pick(("和", "、", "及", "和", ",")) + nouns[-1]
