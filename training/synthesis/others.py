"""Reports that ask for nobody: offers, what is resolved, and all else (news, thanks, talk, drills, pranks, …).

They are said in entries of their own; or composed of parts; or made of the clauses that requests are made of, and a
turn that says why nobody is to be sent; or they quote a whole request with such a turn. Requests, in turn, get
distractors: clauses in the words of what is no request, which leave the situation as it is; and clauses that make
little of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from training.synthesis.draft import Block, Draft, glue
from training.synthesis.holdout import Draw
from training.synthesis.lexicon import Entries, Lexicon
from training.synthesis.phrasing import Phrasing
from training.synthesis.placeholders import PlaceholderMaker
from training.synthesis.placing import Site
from training.synthesis.scenario import draw_scenario
from training.synthesis.styles import Voice
from training.synthesis.utterances import Scenario

# The lexicon's lists of each kind of report; each is drawn as often as it is long.
KINDS: Mapping[str, tuple[str, ...]] = {
    "offer": ("offer",),
    "resolved": ("resolved",),
    "other": ("news", "thanks", "chatter", "test", "prank", "question", "knowledge", "errand", "notice"),
}
# The reports of each kind that are composed of parts, one behind the other.
COMPOSED: Mapping[str, tuple[str, ...]] = {
    "offer": ("condition",),
    "resolved": ("told_over",),
    "other": ("passing", "figure", "script", "retold", "procedure", "rescued_thanks", "wrong_number", "bot"),
}
# The turns that make a report of each kind out of a request's clauses.
TURNS: Mapping[str, tuple[str, ...]] = {
    "offer": ("offer",),
    "resolved": ("resolved",),
    "other": ("drill", "rumour", "past", "story", "ask", "paper", "script", "bot"),
}
_QUOTING = frozenset(
    {"resolved", "drill", "rumour", "past", "script", "bot"}
)  # turns that may stand beside a whole request
# How a report of each kind is made: said by an entry, composed of parts, told in a request's clauses, or a whole
# request quoted.
_WAYS: Mapping[str, Mapping[str, float]] = {
    "offer": {"said": 0.5, "composed": 0.15, "told": 0.35},
    "resolved": {"said": 0.34, "composed": 0.14, "told": 0.27, "quoted": 0.25},
    "other": {"said": 0.4, "composed": 0.3, "told": 0.19, "quoted": 0.11},
}
# What may stand beside an entry and asks for nobody either.
_BESIDE: Mapping[str, tuple[str, ...]] = {
    "offer": ("contacts", "times", "repost"),
    "resolved": ("times", "verified"),
    "other": ("times", "asides"),
}
_BESIDE_SHARE = 0.15
_POSITIONS = ("before", "before", "behind", "behind", "both")
_NOWHERE_SHARE = 0.2  # of reports told in a request's clauses
_BARE_PLACE_SHARE = 0.3
_FIRST_PERSON_SHARE = 0.5  # of what is resolved: told by those whom it befell
_QUOTATION_MARKS_SHARE = 0.25  # of what is neither offered nor resolved
_COMPOSED_JOINERS = ((",",), (",", "。"), (",", "!"), ("。",), (" ",), ("",))
_HARMLESS_CLAUSES = (1, 2, 2, 3)
_HARMLESS_POSITIONS = ("first", "first", "amid", "last")
# What asks for something, and is left out of a report that asks for nothing.
_ASKING = (("requested",), ("fact", "reinforce"), ("fact", "kilowatts"))


class OtherPhrasing:
    """Says what is no request, and what in a request sounds like none."""

    def __init__(self, lexicon: Lexicon, placeholders: PlaceholderMaker, phrasing: Phrasing) -> None:
        self._words = lexicon.other
        self._frames = lexicon.frames
        self._placeholders = placeholders
        self._phrasing = phrasing

    def report(self, kind: str, hazard: str, place: str, voice: Voice, draw: Draw) -> str:
        """A report of a kind other than request."""
        ways = _WAYS[kind]
        match draw.rng.choices(tuple(ways), tuple(ways.values()))[0]:
            case "said":
                return self._said(kind, hazard, place, voice, draw)
            case "composed":
                return self._composed(kind, hazard, place, voice, draw)
            case "told":
                return self._told(kind, hazard, place, voice, draw)
            case _:
                return self._quoted(kind, hazard, place, voice, draw)

    def with_distractor(self, draft: Draft, scenario: Scenario, voice: Voice, elsewhere: bool, draw: Draw) -> Draft:
        """A request of one incident with a clause that is said of what is over, a drill or news; it remains one."""
        words, register = self._words["distractors"], _register(voice)
        counted = bool(scenario.values("people")) and draw.chance(0.5)
        entries: Entries = words["counted" if counted else "any"][register]
        entries = entries.distant if elsewhere else entries.present
        clause = self._placeholders.fill(entries.pick(draw), draw)
        (block,) = draft.blocks
        units = list(block.units)
        units.insert(len(units) if counted else draw.whole(min(1, len(units)), len(units)), clause)
        return replace(draft, blocks=(replace(block, units=tuple(units)),))

    def with_harmless(self, draft: Draft, voice: Voice, elsewhere: bool, draw: Draw) -> Draft:
        """A request of one incident in the words of somebody who makes little of it; it remains one."""
        words: Mapping[str, Entries] = self._words["harmless"][_register(voice)]
        kinds = draw.shuffled(tuple(words))[: draw.pick(_HARMLESS_CLAUSES)]
        (block,) = draft.blocks
        opening, units, tail = draft.opening, list(block.units), draft.tail
        for kind in kinds:
            entries = words[kind].distant if elsewhere else words[kind].present
            clause = self._placeholders.fill(entries.pick(draw), draw)
            match draw.pick(_HARMLESS_POSITIONS):
                case "first":
                    opening = glue(opening, clause, ",")
                case "amid":
                    units.insert(draw.whole(min(1, len(units)), len(units)), clause)
                case _:
                    tail = (clause, *tail)
        return replace(draft, opening=opening, blocks=(replace(block, units=tuple(units)),), tail=tail)

    def _composed(self, kind: str, hazard: str, place: str, voice: Voice, draw: Draw) -> str:
        """Parts of one list after the other; each list is drawn as often as its parts are many."""
        found = [self._words["composed"][name].get(_register(voice)) for name in COMPOSED[kind]]
        lists: list[Mapping[str, Entries]] = [parts for parts in found if parts]
        (parts,) = draw.rng.choices(lists, [sum(map(len, parts.values())) for parts in lists])
        joiners = draw.pick(_COMPOSED_JOINERS)
        text = ""
        for entries in parts.values():
            text = glue(text, self._fill(entries, hazard, place, draw), draw.pick(joiners))
        return text + draw.pick(("", "", "。"))

    def _said(self, kind: str, hazard: str, place: str, voice: Voice, draw: Draw) -> str:
        lists = [self._words[name][_register(voice)] for name in KINDS[kind]]
        text = self._fill(_drawn(lists, draw), hazard, place, draw)
        for beside in _BESIDE[kind]:
            if draw.chance(_BESIDE_SHARE):
                text = self._with(text, beside, voice, draw)
        return text

    def _with(self, text: str, beside: str, voice: Voice, draw: Draw) -> str:
        frame = self._frames["styles"][voice.name]
        entries: Entries = frame["contacts"] if beside == "contacts" else self._frames[beside]
        clause = self._placeholders.fill(entries.calm.pick(draw), draw)
        joiner = draw.pick((",", ",", "。", " "))
        first, second = (text, clause) if beside in ("contacts", "repost") or draw.chance(0.4) else (clause, text)
        return glue(first, second, joiner)

    def _told(self, kind: str, hazard: str, place: str, voice: Voice, draw: Draw) -> str:
        """What a request would say of an incident, without what it would ask for, and a turn."""
        scenario = draw_scenario(hazard, draw, voice.spoken, voice.richness, 0.0)
        scenario.fields["needs"] = ()
        scenario.units = [unit for unit in scenario.units if unit[0].path not in _ASKING]
        elsewhere = kind != "resolved" or voice.name == "relative" or not draw.chance(_FIRST_PERSON_SHARE)
        units = self._phrasing.clauses(scenario, voice, elsewhere, draw)
        frame = self._frames["styles"][voice.name]
        where = ""
        if not draw.chance(_NOWHERE_SHARE):
            bare = draw.chance(_BARE_PLACE_SHARE)
            where = place if bare else self._phrasing.place_clause(voice, Site(place, elsewhere), draw)
        block = Block(where, tuple(units), bare_place=where == place)
        body = Draft("", (block,), "", (), tuple(template.text for template in frame["joiners"]), ("",))
        return self._turned(kind, self._turns(TURNS[kind], voice), body.text(draw), draw)

    def _quoted(self, kind: str, hazard: str, place: str, voice: Voice, draw: Draw) -> str:
        """A whole request, and a turn. It must close all that the request says: 我爸已经接出来了 closes nothing where
        others are trapped, so that the entries of what is resolved are no turns."""
        scenario = draw_scenario(hazard, draw, voice.spoken, voice.richness, 0.0)
        request = self._phrasing.draft(voice, [(scenario, Site(place))], draw).text(draw)
        names = [name for name in TURNS[kind] if name in _QUOTING]
        return self._turned(kind, self._turns(names, voice), request, draw)

    def _turns(self, names: Sequence[str], voice: Voice) -> list[Mapping[str, Entries]]:
        """The turns of these names that are said in the voice's register."""
        found = [self._words["turns"][name].get(_register(voice)) for name in names]
        return [turns for turns in found if turns]

    def _turned(self, kind: str, turns: Sequence[Mapping[str, Entries]], body: str, draw: Draw) -> str:
        """The clauses with a turn before them, behind them, or both."""
        lengths = [sum(map(len, turn.values())) for turn in turns]
        turn = draw.rng.choices(turns, lengths)[0]
        position = draw.pick(_POSITIONS)
        if kind == "other" and draw.chance(_QUOTATION_MARKS_SHARE):
            body = f"“{body}”"
        if position != "behind":
            before = self._placeholders.fill(turn["before"].pick(draw), draw)
            body = glue(before, body, draw.pick((":", ":", ",", "。")))
        if position != "before":
            behind = self._placeholders.fill(turn["behind"].pick(draw), draw)
            body = glue(body, behind, draw.pick((",", "。", "。", "!", " ")))
        return body + draw.pick(("", "。", "。"))

    def _fill(self, entries: Entries, hazard: str, place: str, draw: Draw) -> str:
        given = {"place": place, "hazard": self._words["hazard_words"][hazard].pick(draw).text}
        return self._placeholders.fill(entries.pick(draw), draw, given)


def _register(voice: Voice) -> str:
    return "spoken" if voice.spoken else "formal"


def _drawn(lists: Sequence[Entries], draw: Draw) -> Entries:
    return draw.rng.choices(lists, [len(entries) for entries in lists])[0]
