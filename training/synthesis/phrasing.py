"""Phrasing: a scenario and its place become the text of a report, in a formal or a spoken style."""

from collections.abc import Sequence

from training.synthesis.holdout import Draw
from training.synthesis.lexicon import Lexicon, fill
from training.synthesis.scenario import Scenario, Utterance

_SURNAME_DIGITS = "3456789"


class Phrasing:
    """Says scenarios in the lexicon's words."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon

    def report(self, scenario: Scenario, place: str, draw: Draw) -> str:
        """The report's text; ``place`` is "" when the report names none."""
        style = "spoken" if scenario.spoken else "formal"
        frame = self._lexicon.frames[style]
        hazard = self._say(Utterance("hazard", scenario.hazard), style, draw)
        clauses = [self._say(utterance, style, draw) for utterance in self._ordered(scenario, draw)]
        has_measure = any(u.section in ("measure", "depth_words") and u.key != "floor" for u in scenario.said)
        # 山区公路积雪3米: a depth alone tells the hazard, and may follow the place without another word.
        if not (has_measure and clauses and draw.chance(0.45)):
            clauses = [hazard, *clauses]
        if scenario.spoken and draw.chance(0.35):
            position = draw.rng.randint(0, len(clauses))
            digression = draw.rng.choice(self._lexicon.frames["digressions"])
            clauses.insert(position, self._fill(digression, draw))
        opening, clauses = self._placed(place, frame, clauses, draw)
        clauses += self._needs(scenario, style, draw)
        if closing := self._fill(draw.rng.choice(frame["closing"]), draw):
            clauses.append(closing)
        return opening + self._join(clauses, frame, draw)

    def other(self, kind: str, hazard: str, place: str, draw: Draw) -> str:
        """A report that asks for nobody: an offer, a resolved incident, or anything else."""
        words = self._lexicon.other
        slots = {
            "place": place,
            "hazard": draw.rng.choice(words["hazard_words"][hazard]),
            "phone": self.phone(draw),
            "n": str(draw.rng.randint(2, 30)),
        }
        return fill(draw.rng.choice(words[kind]), draw.rng, slots)

    def phone(self, draw: Draw) -> str:
        rng = draw.rng
        return "1" + rng.choice(_SURNAME_DIGITS) + "".join(rng.choices("0123456789", k=9))

    def _fill(self, template: str, draw: Draw, place: str = "") -> str:
        slots = {
            "place": place,
            "phone": self.phone(draw),
            "name": draw.rng.choice(self._lexicon.frames["names"]),
            "hour": str(draw.rng.randint(0, 23)),
            "minute": f"{draw.rng.randint(0, 59):02d}",
            "n": str(draw.rng.randint(2, 30)),
        }
        return fill(template, draw.rng, slots)

    def _say(self, utterance: Utterance, style: str, draw: Draw) -> str:
        facts = self._lexicon.facts
        if utterance.section == "requested":
            templates = facts["requested"]
        elif utterance.section == "depth_words":
            name, _, depth = utterance.key.partition("/")
            templates = facts["depth_words"][name][float(depth)]
        else:
            templates = self._lexicon.templates(utterance.section, utterance.key, style)
        return fill(draw.rng.choice(templates), draw.rng, utterance.slots)

    def _ordered(self, scenario: Scenario, draw: Draw) -> list[Utterance]:
        """What is said, shuffled half of the time; a severity stays behind the injured that it belongs to."""
        said = list(scenario.said)
        if draw.chance(0.5):
            draw.rng.shuffle(said)
        severities = [u for u in said if u.section == "fact" and u.key in ("severe", "light")]
        if severities:
            said = [u for u in said if u not in severities]
            position = next(i for i, u in enumerate(said) if u.section == "people" and u.key == "injured")
            said[position + 1 : position + 1] = severities
        return said

    def _placed(self, place: str, frame: dict[str, list[str]], clauses: list[str], draw: Draw) -> tuple[str, list[str]]:
        """The opening that names the place, or the place at the end."""
        if not place:
            return self._fill(draw.rng.choice(frame["nowhere"]), draw), clauses
        if "place_last" in frame and draw.chance(0.3):
            last = self._fill(draw.rng.choice(frame["place_last"]), draw, place)
            return self._fill(draw.rng.choice(frame["nowhere"]), draw), [*clauses, last]
        return self._fill(draw.rng.choice(frame["place"]), draw, place), clauses

    def _needs(self, scenario: Scenario, style: str, draw: Draw) -> list[str]:
        """Needs as one list (急需发电机和医疗队), as clauses of their own, or both; then what is declined."""
        words = self._lexicon.facts["need"]
        counted = {utterance.key for utterance in scenario.said if utterance.section == "requested"}
        listed, clauses = [], []
        for need in scenario.fields.get("needs", ()):
            if need in counted:
                continue
            has_clause, has_noun = need in words["clauses"], need in words["nouns"]
            if has_clause and (not has_noun or draw.chance(0.35)):
                clauses.append(fill(draw.rng.choice(words["clauses"][need]), draw.rng))
            else:
                listed.append(draw.rng.choice(words["nouns"][need]))
        draw.rng.shuffle(listed)
        if listed:
            template = draw.rng.choice(words["list" if style == "formal" else "spoken_list"])
            clauses.append(fill(template, draw.rng, {"nouns": _enumerate(listed, draw)}))
        draw.rng.shuffle(clauses)
        for declined in scenario.fields.get("not_needed", ()):
            noun = draw.rng.choice(words["nouns"][declined])
            clauses.append(fill(draw.rng.choice(self._lexicon.facts["not_needed"]), draw.rng, {"nouns": noun}))
        return clauses

    def _join(self, clauses: Sequence[str], frame: dict[str, list[str]], draw: Draw) -> str:
        joiner = draw.rng.choice(frame["joiner"])
        mixed = draw.chance(0.2)
        text = clauses[0] if clauses else ""
        for clause in clauses[1:]:
            glue = draw.rng.choice(frame["joiner"]) if mixed else joiner
            text += ("" if text[-1:] in ",!。;" else glue) + clause
        return text + ("" if text[-1:] in "!。" else draw.rng.choice(frame["final"]))


def _enumerate(nouns: Sequence[str], draw: Draw) -> str:
    """发电机、棉被和医疗队."""
    if len(nouns) == 1:
        return nouns[0]
    return "、".join(nouns[:-1]) + draw.rng.choice(("和", "、", "及", "和", ",")) + nouns[-1]
