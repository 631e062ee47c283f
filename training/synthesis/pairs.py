"""Pairs: scenarios, places and a context become a report and what doctrine answers to it."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dispatch.domain import Context, Order, Situation, by_urgency, make_plans, render_instruction
from training.corpus import Pair
from training.synthesis.draft import Draft
from training.synthesis.gazetteer import INVENTED_SHARE, Gazetteer
from training.synthesis.hazards import TABLES
from training.synthesis.holdout import Draw, Sides, side_of_number
from training.synthesis.items import ITEMS
from training.synthesis.joint import Joints
from training.synthesis.lexicon import Entries, Lexicon
from training.synthesis.mild import MILD_HAZARDS, draw_mild
from training.synthesis.noise import Noise, NoiseConfig
from training.synthesis.others import OtherPhrasing
from training.synthesis.people import Narration
from training.synthesis.phrasing import Phrasing
from training.synthesis.placeholders import PlaceholderMaker
from training.synthesis.placing import Site
from training.synthesis.reckonings import Reckonings
from training.synthesis.scenario import draw_scenario
from training.synthesis.styles import Voice, calmly, draw_voice, tersely
from training.synthesis.tellings import Tellings
from training.synthesis.utterances import Scenario, Utterance

_HAZARDS = tuple(TABLES)
_TERSE = 0.05  # the richness of an incident of which only place and hazard are said: A区雪崩,B区塌方
_TERSE_SHARE = 0.3  # of reports of two incidents
_TERSE_PLACE = 10  # characters at most of the places of a terse report
_SAME_HAZARD_SHARE = 0.15  # of reports of two incidents
_ONE_MILD_SHARE = 0.25  # of reports of two incidents with room for more: one of them is mild, mostly the second
_MILD_SECOND_SHARE = 0.75
_SHORT_SHARE = 0.2  # of reports of two incidents with room for more: one of them is told in a few words
_RELATED_SHARE = 0.2  # of reports of two incidents with room for more: the second place is told by the first
_SPAN_SHARE = 0.5  # of those: it is nothing but the way from there
_SHARED_SHARE = 0.12  # of reports of two incidents: something is said of both at once
_HARMLESS_MILD_SHARE = 0.4  # of harmless requests; the others are any request, said calmly
_NOT_ENOUGH_SHARE = 0.12  # of requests that are said calmly: somebody is at work already, and not enough
_NO_NEEDS_SHARE = 0.3  # of requests that are said calmly: they ask for nothing, the facts must do

# Where a report and its context say the incident is, by weight.
PLACINGS: Mapping[str, float] = {
    "said": 0.58,  # in the report
    "said_twice": 0.05,  # in the report, and the caller is there
    "said_beside": 0.06,  # in the report, and the caller is somewhere else without saying so
    "relayed": 0.06,  # in the report, and the speaker says that they are not there
    "hinted": 0.11,  # a place without a name in the report, the place in the context
    "unsaid": 0.06,  # in the context alone
    "vague": 0.05,  # a place without a name, and no context
    "unknown": 0.03,
}

# What may be said of two incidents at once, each as often as it stands here.
_SHARED = (
    *(("outages", name) for name in ("power", "communications", "water", "power", "communications")),
    *(("needs", name) for name in ("medical", "rescue")),
    ("facts", "night"),
)

# A relative speaks for others: where the phone is known, it is not where help is needed.
_FROM_AFAR = {
    **dict.fromkeys(("said", "said_twice", "said_beside", "relayed"), "relayed"),
    **dict.fromkeys(("hinted", "vague"), "vague"),
    **dict.fromkeys(("unsaid", "unknown"), "unknown"),
}


@dataclass(frozen=True)
class Recipe:
    """What the pairs of a split are made of. All but ``sides``, ``asides`` and ``noise`` are chances or weights."""

    sides: Sides = field(default_factory=Sides)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    other: float = 0.16  # reports that are no requests
    distracted: float = 0.12  # requests of one incident that say something in the words of what is no request
    harmless: float = 0.1  # requests of one incident that sound as if nothing much had happened
    two_incidents: float = 0.16
    issued: float = 0.2  # something was issued before
    declined: float = 0.09
    placings: Mapping[str, float] = field(default_factory=lambda: PLACINGS)
    invented: float = INVENTED_SHARE  # of the names of towns: characters at random
    asides: int = 0  # at least so many numbers that count nobody, beside people who are counted


@dataclass(frozen=True)
class Sample:
    """A pair, and how it was made."""

    pair: Pair
    style: str  # "" for what is no request


@dataclass(frozen=True)
class _Composition:
    """A request before its clauses are put together and made noisy."""

    draft: Draft
    voice: Voice
    places: tuple[str, ...]
    context: Context
    situations: tuple[Situation, ...]


@dataclass(frozen=True)
class _Placing:
    """Where the incident is: what the report says, what the context says, and which of them is the location."""

    site: Site
    context: str
    location: str


class PairGenerator:
    """An endless source of pairs by one recipe, reproducible by seed."""

    def __init__(self, lexicon: Lexicon, seed: str, recipe: Recipe) -> None:
        self._recipe = recipe
        self._draw = Draw(random.Random(seed), recipe.sides)
        self._finish_draw = Draw(random.Random(f"{seed}:text"), recipe.sides)
        self._reorder_draw = Draw(random.Random(f"{seed}:order"), recipe.sides)
        self._gazetteer = Gazetteer(lexicon, recipe.invented)
        placeholders = PlaceholderMaker(lexicon.frames["names"], tuple(ITEMS))
        self._phrasing = Phrasing(lexicon, placeholders)
        self._others = OtherPhrasing(lexicon, placeholders, self._phrasing)
        self._joints = Joints(lexicon)
        self._shared: Mapping[str, Entries] = lexicon.facts["shared"]
        self._noise = Noise(lexicon)
        words, registers = lexicon.people, {True: "spoken", False: "formal"}
        reckonings = {spoken: Reckonings(words["reckoned"], name) for spoken, name in registers.items()}
        self._counted = {spoken: Narration(reckonings[spoken]) for spoken in registers}
        self._told = {
            spoken: Narration(reckonings[spoken], Tellings(words["told"], name)) for spoken, name in registers.items()
        }

    def pairs(self) -> Iterator[Pair]:
        for sample in self.samples():
            yield sample.pair

    def samples(self) -> Iterator[Sample]:
        """Every pair holds something of each held-out side that the recipe draws from."""
        while True:
            self._draw.used.clear()
            if self._draw.chance(self._recipe.other):
                sample = Sample(self._other(), "")
            else:
                composition = self._composition()
                sample = Sample(self._finished(composition, composition.draft), composition.voice.name)
            if self._holds_what_it_should(sample.pair):
                yield sample

    def reordered(self) -> Iterator[Pair]:
        """The requests of :meth:`pairs` that have more than one order, their clauses in another one."""
        while True:
            if self._draw.chance(self._recipe.other):
                self._other()
                continue
            composition = self._composition()
            draft = composition.draft.reordered(self._reorder_draw)
            if draft is not None:
                yield self._finished(composition, draft)

    def _holds_what_it_should(self, pair: Pair) -> bool:
        wanted, used = self._recipe.sides.held_out(), set(self._draw.used)
        if not wanted:
            return True
        if pair.situations[0].kind == "request" and not any(map(self._states_held_out_number, pair.situations)):
            used.discard("numbers")  # it was drawn and not said
        return bool(wanted & used)

    def _states_held_out_number(self, situation: Situation) -> bool:
        bounds = ((slot, bound) for slot, count in situation.people.items() for bound in (count.min, count.max or 0))
        values = {**situation.measures, **{name: v for name, v in situation.facts.items() if v is not True}}
        items = ((f"requested:{item.item}", item.count) for item in situation.requested)
        stated = (*bounds, *values.items(), *items)
        return any(side_of_number(slot, int(value)) != "known" for slot, value in stated if value == int(value))

    def _finished(self, composition: _Composition, draft: Draft) -> Pair:
        draw = self._finish_draw
        report = self._noise.apply(
            draft.text(draw), composition.voice.name, composition.places, self._recipe.noise, draw
        )
        return _pair(report, composition.context, composition.situations)

    def _composition(self) -> _Composition:
        two = self._draw.chance(self._recipe.two_incidents)
        return self._two_incidents() if two else self._one_incident()

    def _one_incident(self) -> _Composition:
        draw, recipe = self._draw, self._recipe
        voice = draw_voice(draw, self._phrasing.registers)
        if draw.chance(recipe.harmless):
            voice = calmly(voice)
            scenario = self._harmless(voice)
        else:
            scenario = self._scenario(draw.pick(_HAZARDS), voice, voice.richness, recipe.declined)
        placing = self._place(scenario, voice)
        situation = Situation(location=placing.location, **scenario.fields)
        context = Context(placing.context, self._issued(situation))
        draft = self._phrasing.draft(voice, [(scenario, placing.site)], draw, recipe.asides)
        if voice.calm:
            draft = self._others.with_harmless(draft, voice, placing.site.elsewhere, draw)
        elif draw.chance(recipe.distracted):
            draft = self._others.with_distractor(draft, scenario, voice, placing.site.elsewhere, draw)
        places = (placing.site.place, placing.location)
        return _Composition(draft, voice, places, context, (situation,))

    def _two_incidents(self) -> _Composition:
        draw = self._draw
        voice = draw_voice(draw, self._phrasing.registers)
        while voice.name == "relative":  # speaks for one family, at one place
            voice = draw_voice(draw, self._phrasing.registers)
        terse = draw.chance(_TERSE_SHARE)
        voice = tersely(voice) if terse else voice
        places = self._two_places(_TERSE_PLACE if terse else None)
        scenarios, kind = self._two_scenarios(voice)
        relation = "" if terse else self._relation()
        if relation == "span":
            places = (places[0], self._gazetteer.from_another(draw))
        both = self._shared_by(scenarios) if kind in ("poor", "rich") and draw.chance(_SHARED_SHARE) else ""
        situations = [Situation(location=p, **s.fields) for s, p in zip(scenarios, places, strict=True)]
        incidents = [(scenarios[0], Site(places[0])), (scenarios[1], Site(places[1], relation=relation))]
        most_urgent, _ = by_urgency(situations)
        register = "spoken" if voice.spoken else "formal"
        joint = self._joints.pick(register, kind, most_urgent is situations[0], draw)
        draft = self._phrasing.draft(
            voice, incidents, draw, self._recipe.asides, joint.with_both(both) if both else joint
        )
        near = draw.pick((*places, "", "", "", ""))
        context = Context(near, self._issued(draw.pick(situations)))
        return _Composition(draft, voice, places, context, by_urgency(situations))

    def _two_scenarios(self, voice: Voice) -> tuple[list[Scenario], str]:
        """Two incidents in the order in which they are told, and what they are (see :data:`INCIDENTS`)."""
        draw = self._draw
        if voice.is_terse:
            return [self._scenario(hazard, voice, _TERSE, 0.0) for hazard in self._two_hazards()], "terse"
        richness = [voice.richness * 0.6] * 2
        if draw.chance(_SHORT_SHARE):
            short = draw.whole(0, 1)
            richness[short], richness[1 - short] = _TERSE, voice.richness
        declined = self._recipe.declined / 2
        scenarios = [
            self._scenario(hazard, voice, rich, declined)
            for hazard, rich in zip(self._two_hazards(), richness, strict=True)
        ]
        if not self._recipe.asides and draw.chance(_ONE_MILD_SHARE):
            at = 1 if draw.chance(_MILD_SECOND_SHARE) else 0
            mild = draw_mild(draw.pick(MILD_HAZARDS), draw, voice.spoken, 0.0)
            if self._is_less_urgent(mild, scenarios[1 - at]):
                scenarios[at] = mild
                return scenarios, "mild"
        return scenarios, "rich" if all(len(scenario.units) > 1 for scenario in scenarios) else "poor"

    def _two_hazards(self) -> tuple[str, str]:
        first = self._draw.pick(_HAZARDS)
        return first, first if self._draw.chance(_SAME_HAZARD_SHARE) else self._draw.pick(_HAZARDS)

    def _is_less_urgent(self, mild: Scenario, other: Scenario) -> bool:
        situations = [Situation(**scenario.fields) for scenario in (other, mild)]
        return by_urgency(situations)[1] is situations[1]

    def _relation(self) -> str:
        """How the second place is told by the first; a way from it is a new name to nobody."""
        draw = self._draw
        if not draw.chance(_RELATED_SHARE):
            return ""
        return "span" if draw.chance(_SPAN_SHARE) and draw.sides.names == "known" else "named"

    def _shared_by(self, scenarios: Sequence[Scenario]) -> str:
        """A clause that says something of both incidents at once (两处都停电); "" where not both may have it."""
        section, label = self._draw.pick(_SHARED)
        if any(label in scenario.values("not_needed") for scenario in scenarios):
            return ""
        for scenario in scenarios:
            if section == "facts":
                scenario.add_value(section, label, True)
            else:
                scenario.fields[section] = tuple(dict.fromkeys((*scenario.values(section), label)))
            scenario.said_of_both = label
        return self._phrasing.fill(self._shared[label], self._draw)

    def _two_places(self, longest: int | None) -> tuple[str, str]:
        while True:
            first, second = self._gazetteer.place(self._draw), self._gazetteer.place(self._draw)
            if first not in second and second not in first and (not longest or len(first + second) <= 2 * longest):
                return first, second

    def _harmless(self, voice: Voice) -> Scenario:
        """An incident of which somebody speaks as if it were nothing much: often it is little."""
        draw, declined = self._draw, self._recipe.declined
        if not self._recipe.asides and draw.chance(_HARMLESS_MILD_SHARE):
            return draw_mild(draw.pick(MILD_HAZARDS), draw, voice.spoken, declined)
        scenario = self._scenario(draw.pick(_HAZARDS), voice, voice.richness, declined)
        needs = [need for need in scenario.fields["needs"] if need != "rescue"]
        if draw.chance(_NO_NEEDS_SHARE) and draw.sides.combinations == "known":
            counted = {ITEMS[item.item].need for item in scenario.values("requested")}
            needs = [need for need in needs if need in counted]
        scenario.fields["needs"] = tuple(needs)
        if draw.chance(_NOT_ENOUGH_SHARE) and "reinforce" not in scenario.values("facts"):
            scenario.add_value("facts", "reinforce", True)
            scenario.say(Utterance(("fact", "reinforce")))
        return scenario

    def _scenario(self, hazard: str, voice: Voice, richness: float, declined: float) -> Scenario:
        while True:
            narrations = self._told if self._draw.chance(voice.style.told) else self._counted
            scenario = draw_scenario(hazard, self._draw, voice.spoken, richness, declined, narrations[voice.spoken])
            if not self._recipe.asides or scenario.values("people"):
                return scenario

    def _other(self) -> Pair:
        draw = self._draw
        kind, hazard = draw.pick(("offer", "resolved", "other")), draw.pick(_HAZARDS)
        place = self._gazetteer.place(draw)
        voice = draw_voice(draw, self._phrasing.registers)
        report = self._others.report(kind, hazard, place, voice, draw)
        report = self._noise.apply(report, voice.name, (place,), self._recipe.noise, draw)
        near = self._gazetteer.place(draw) if draw.chance(0.12) else ""
        return _pair(report, Context(near), (Situation(kind=kind),))

    def _place(self, scenario: Scenario, voice: Voice) -> _Placing:
        """A specific span of the report wins; else the context's location; else the generic span."""
        draw, placings = self._draw, self._recipe.placings
        kind = draw.rng.choices(tuple(placings), tuple(placings.values()))[0]
        if voice.name == "relative":
            kind = _FROM_AFAR[kind]
        place = "" if kind in ("vague", "unknown") else self._gazetteer.place(draw)
        match kind:
            case "said":
                return _Placing(Site(place), "", place)
            case "said_twice":
                return _Placing(Site(place), place, place)
            case "said_beside":
                return _Placing(Site(place), self._gazetteer.place(draw), place)
            case "relayed":
                return self._relayed(scenario, voice, place)
            case "hinted":
                return _Placing(Site(self._gazetteer.generic(scenario.hazards[0], draw)), place, place)
            case "unsaid":
                return _Placing(Site(""), place, place)
            case "vague":
                return self._vague(scenario, voice, self._gazetteer.generic(scenario.hazards[0], draw))
            case _:
                return self._vague(scenario, voice, "")

    def _relayed(self, scenario: Scenario, voice: Voice, place: str) -> _Placing:
        """The speaker says that they are elsewhere: the phone's place, where it is known, is not the incident's."""
        draw = self._draw
        scenario.add_value("facts", "caller_elsewhere", True)
        if not self._phrasing.can_relay(voice):
            scenario.say(Utterance(("fact", "caller_elsewhere")))
        return _Placing(Site(place, elsewhere=True), self._gazetteer.place(draw) if draw.chance(0.6) else "", place)

    def _vague(self, scenario: Scenario, voice: Voice, generic: str) -> _Placing:
        """Nobody knows the place: where the speaker is elsewhere, not even the phone does."""
        if voice.name == "relative":
            scenario.add_value("facts", "caller_elsewhere", True)
        return _Placing(Site(generic, elsewhere=voice.name == "relative"), "", generic)

    def _issued(self, situation: Situation) -> tuple[str, ...]:
        """At times part of what doctrine wants was ordered before, for this place or for another one."""
        draw, recipe = self._draw, self._recipe
        reinforced = "reinforce" in situation.facts
        if not situation.location or not draw.chance(max(recipe.issued, 0.8 if reinforced else 0.0)):
            return ()
        place = situation.location if draw.chance(0.85) else self._gazetteer.place(draw)
        (plan,) = make_plans([situation], Context())
        heads = [order for order in plan.spoken() if order.action == "派" and order.count]
        if not heads or draw.chance(0.15):
            return (render_instruction([plan]),)
        issued = [f"派{_part_of(draw.pick(heads), draw)}至{place}"]
        if len(heads) > 1 and draw.chance(0.2):
            issued.append(f"派{_part_of(draw.pick(heads), draw)}至{place}")
        return tuple(issued)


def _part_of(order: Order, draw: Draw) -> str:
    assert order.count is not None
    return f"{draw.whole(1, order.count)}{order.unit}{order.item}"


def _pair(report: str, context: Context, situations: tuple[Situation, ...]) -> Pair:
    return Pair(report, render_instruction(make_plans(situations, context)), context, situations)
