"""Ranking: which candidate is sent, by the guard and the deterministic checks first and the network's score second.

A rule checker as reranker is cheap and strong (Dušek and Jurčíček 2016, reranking by slot errors): what is left of the
network's mistakes, once it has read the situation, is mostly arithmetic that doctrine does exactly.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dispatch.decoding import complete
from dispatch.domain import Check, Doctrine, Plan, Situation, render_instruction, run_checks
from dispatch.domain.checks import Candidate as CheckedCandidate
from dispatch.domain.conventions import due_endings, endings, with_endings
from dispatch.domain.findings import Severity
from dispatch.domain.instruction import issued_orders
from dispatch.engine import CUT_SHORT, Candidate, Generation, GenerationRequest
from dispatch.model import KIND_THRESHOLD, Calibration, normalize, normalize_context
from dispatch.workflow import guard
from dispatch.workflow.confidence import confidence_of, features_of, low_confidence

UNREAD_PENALTY = 0.1
"""What every number and hazard that no part of a situation claims takes from the network's score (nats a token by
default): far more than lies between neighbours in a beam, less than between a good reading and a bad one."""

_TAUGHT = "beside what doctrine says, as reviews have taught it: {}"
_SEVERITIES: Sequence[Severity] = ("error", "warning", "info")


@dataclass(frozen=True)
class Ranked:
    """A candidate with doctrine's plans for its situations, the findings of all checks, and how likely it is right.

    ``features`` are those that the confidence is made of. The plans end in what reviews have taught to say beside
    doctrine, where that holds always or the network has said it. It follows doctrine where its text is that of the
    plans, with the required phrases that this lacks behind it.
    """

    candidate: Candidate
    plans: tuple[Plan, ...]
    checks: tuple[Check, ...]
    confidence: float
    features: Mapping[str, float]
    follows_doctrine: bool

    @property
    def errors(self) -> int:
        return sum(check.severity == "error" for check in self.checks)

    @property
    def worst(self) -> Severity | None:
        """The severity of its worst finding; None without one."""
        return min((check.severity for check in self.checks), key=_SEVERITIES.index, default=None)


@dataclass(frozen=True)
class _Draft:
    """A candidate to be checked.

    ``source`` is the network's that it is made of, which ``agrees`` with doctrine or not; ``corrections`` and
    ``findings`` are the guard's. It is never sent while there is another where it is ``barred``; where it is
    ``assumed`` to be a request, the network denies that.
    """

    candidate: Candidate
    source: Candidate
    agrees: bool
    plans: tuple[Plan, ...]
    corrections: tuple[guard.Correction, ...] = ()
    findings: tuple[Check, ...] = ()
    barred: bool = False
    assumed: bool = False

    @property
    def is_the_networks(self) -> bool:
        return self.candidate is self.source


_Entry = tuple[_Draft, Ranked]


def rank(
    request: GenerationRequest, generation: Generation, doctrine: Doctrine, calibration: Calibration | None = None
) -> list[Ranked]:
    """The network's candidates and doctrine's texts for their situations, the one to send first.

    What keeps to the phrases that the request requires and bans goes before what does not. The guard bars what must not
    be sent. Of the others fewest errors win, then agreement with doctrine, then the network's score less a penalty for
    numbers and hazards that were not read, then its order. A typed prefix is always kept. What is sent with an error,
    or although it may be no request, has somebody call back.
    """
    return _Ranking(request, generation, doctrine, calibration).ranked()


class _Ranking:
    """One report's candidates on their way to be sent."""

    def __init__(
        self, request: GenerationRequest, generation: Generation, doctrine: Doctrine, calibration: Calibration | None
    ) -> None:
        self.report = normalize(request.report).text
        self.context = normalize_context(request.context)
        self.issued = issued_orders(self.context, doctrine)
        self.prefix = normalize(request.prefix).text
        self.decoding = request.decoding
        self.generation = generation
        self.doctrine = doctrine
        self.calibration = calibration
        self.pleading = guard.pleads(self.report)
        self._planned: list[tuple[tuple[Situation, ...], tuple[Plan, ...]]] = []  # candidates mostly read the same
        self._rendered: dict[tuple[Plan, ...], str] = {}

    def ranked(self) -> list[Ranked]:
        entries = [(draft, self._checked(draft)) for draft in self._drafts()]
        entries.sort(key=lambda entry: (not self._keeps_phrases(entry[0]), *_sort_key(*entry)))
        entries = _each_text_once(entries)
        best, checked = entries[0]
        sent = self._asking_back(best, checked)
        if sent is not best:
            kept = best.is_the_networks and not sent.is_the_networks
            entries[:1] = [(sent, self._checked(sent)), *entries[:kept]]
        return [entry for _, entry in entries]

    def _drafts(self) -> Iterator[_Draft]:
        for source in self.generation.candidates:
            plans = self._plans(source.situations, source.text)
            own = _Draft(source, source, self._agrees(source), plans, barred=self._is_doubtful(source))
            yield own
            yield from self._guarded(own)
        if not any(_is_legible(source) for source in self.generation.candidates):
            # Nothing could be read: somebody calls back and asks for everything.
            own = _Draft(self.generation.candidates[0], self.generation.candidates[0], False, ())
            everything = (Situation(location=self.context.location),)
            yield from self._by_doctrine(replace(own, findings=tuple(_faults(own.source))), everything)

    def _guarded(self, own: _Draft) -> Iterator[_Draft]:
        """Doctrine's text for what was read, less what nobody has said; a text that has to stay, less the same."""
        source = own.source
        read, corrections = guard.ground_situations(source.situations, self.report, self.context)
        situations = guard.as_request(read) if own.barred else read
        corrected = replace(own, corrections=corrections, barred=False, assumed=own.barred)
        drafts = list(self._by_doctrine(corrected, situations))
        if not drafts:
            text, others = guard.ground_text(source.text, self.prefix, self.report, self.context, self.doctrine)
            candidate = replace(source, text=text, situations=read, token_scores=())
            corrections = tuple(dict.fromkeys((*corrections, *others)))
            plans = self._plans(read, source.text)
            drafts = [replace(own, candidate=candidate, plans=plans, corrections=corrections)]
        same = (source.text, source.situations, source.fault)
        yield from (
            draft
            for draft in drafts
            if (draft.candidate.text, draft.candidate.situations, draft.candidate.fault) != same
        )

    def _by_doctrine(self, draft: _Draft, situations: tuple[Situation, ...]) -> Iterator[_Draft]:
        """Nothing where there is no situation, the operator has begun otherwise, or doctrine says what is banned."""
        placed = guard.place_hazards(situations, self.report)
        plans = self._plans(placed, draft.source.text)
        if placed != situations:  # another may now be the most urgent
            order = sorted(range(len(placed)), key=lambda index: self.doctrine.urgency(placed[index]))
            placed, plans = tuple(placed[index] for index in order), tuple(plans[index] for index in order)
        text = self._text_of(plans)
        if plans and text.startswith(self.prefix) and self.decoding.keeps_phrases(text):
            candidate = replace(draft.source, text=text, situations=placed, token_scores=(), fault="")
            yield replace(draft, candidate=candidate, plans=plans)

    def _plans(self, situations: tuple[Situation, ...], written: str) -> tuple[Plan, ...]:
        """Doctrine's, each with the taught clauses that hold always, or that the network's text for it ends in."""
        return self._ending(situations, due_endings(written, situations, self.generation.conventions))

    def _agrees(self, source: Candidate) -> bool:
        """Whether the network has written doctrine's text, with or without what reviews have taught."""
        said = endings(source.text, source.situations, self.generation.conventions)
        return source.text == self._text_of(self._ending(source.situations, said))

    def _ending(self, situations: tuple[Situation, ...], ends: Sequence[Sequence[str]]) -> tuple[Plan, ...]:
        plans = self._by_rules(situations)
        return with_endings(plans, ends, self.doctrine) if any(ends) else plans

    def _by_rules(self, situations: tuple[Situation, ...]) -> tuple[Plan, ...]:
        for known, plans in self._planned:
            if known == situations:
                return plans
        plans = tuple(self.doctrine.plan(situation, self.issued) for situation in situations)
        self._planned.append((situations, plans))
        return plans

    def _text_of(self, plans: tuple[Plan, ...]) -> str:
        """What doctrine says, and the phrases that are required beside it."""
        if plans not in self._rendered:
            self._rendered[plans] = complete(render_instruction(plans), self.decoding) if plans else ""
        return self._rendered[plans]

    def _keeps_phrases(self, draft: _Draft) -> bool:
        return self.decoding.keeps_phrases(draft.candidate.text)

    def _is_doubtful(self, source: Candidate) -> bool:
        """Whether it would send nobody although somebody may wait: no certainty, a plea, or a first choice to send."""
        threshold = self.calibration.kind_threshold if self.calibration else KIND_THRESHOLD
        return guard.is_dismissal(source.situations) and (
            source.kind_confidence < threshold or self.pleading or not self._first_dismisses()
        )

    def _first_dismisses(self) -> bool:
        return guard.is_dismissal(self.generation.candidates[0].situations)

    def _asking_back(self, best: _Draft, checked: Ranked) -> _Draft:
        """The best one, with a callback where it carries an error or may be no request."""
        first = self.generation.candidates[0]
        if self._first_dismisses() and (best.barred or not guard.is_dismissal(best.candidate.situations)):
            doubt = guard.may_be_no_request(first.situations[0].kind, first.kind_confidence, self.pleading)
            best = replace(best, findings=(*best.findings, doubt))
        elif not checked.errors:
            return best
        if guard.asks_back(best.candidate.text):
            return best
        plans = guard.with_callback(best.plans)
        text = self._text_of(plans) if checked.follows_doctrine else guard.text_with_callback(best.candidate.text)
        asking = replace(best, candidate=replace(best.candidate, text=text), plans=plans)
        return best if self._keeps_phrases(best) and not self._keeps_phrases(asking) else asking

    def _checked(self, draft: _Draft) -> Ranked:
        candidate = draft.candidate
        checked = CheckedCandidate(
            self.report,
            self.context,
            candidate.situations,
            draft.plans,
            candidate.text,
            self.generation.source_truncated,
        )
        follows_doctrine = bool(draft.plans) and candidate.text == self._text_of(draft.plans)
        findings = [*_faults(candidate), *_broken(self.decoding.broken_phrases(candidate.text)), *draft.findings]
        findings += [correction.check(candidate.text) for correction in draft.corrections]
        # A phrase that the caller requires is no mismatch.
        findings += [
            check
            for check in run_checks(checked, self.doctrine)
            if not (follows_doctrine and check.code == "DOCTRINE_MISMATCH")
        ]
        features = features_of(self.report, draft.source, self.generation, findings, draft.agrees)
        confidence = confidence_of(draft.source, features, self.calibration)
        findings += low_confidence(confidence, self.calibration)
        findings += self._taught(candidate.text) if follows_doctrine else []
        findings.sort(key=lambda check: _SEVERITIES.index(check.severity))
        return Ranked(candidate, draft.plans, tuple(findings), confidence, features, follows_doctrine)

    def _taught(self, text: str) -> list[Check]:
        """What is told of clauses that no rule asks for and reviews have taught. They weigh nothing."""
        clauses = dict.fromkeys(each.clause for each in self.generation.conventions)
        said = [(text.find(clause), clause) for clause in clauses if clause not in self.doctrine.items]
        return [
            Check("DOCTRINE_MISMATCH", "info", _TAUGHT.format(clause), "instruction", at, at + len(clause))
            for at, clause in said
            if at >= 0
        ]


def _sort_key(draft: _Draft, entry: Ranked) -> tuple[bool, int, bool, bool, float]:
    unread = sum(check.code in ("UNREAD_NUMBER", "UNREAD_HAZARD") for check in entry.checks)
    score = entry.candidate.score - UNREAD_PENALTY * unread
    barred = draft.barred or _invents_place(draft, entry)
    return barred, entry.errors, draft.assumed, not entry.follows_doctrine, -score


def _each_text_once(entries: Sequence[_Entry]) -> list[_Entry]:
    """Every candidate of the network, and what was made of them where none of the network's is as good.

    The entries come ranked.
    """
    written = {entry.candidate.text for draft, entry in entries if draft.is_the_networks and _is_sound(draft, entry)}
    seen: set[str] = set()
    kept = []
    for draft, entry in entries:
        text = entry.candidate.text
        if draft.is_the_networks or text not in written | seen:
            kept.append((draft, entry))
        seen.add(text)
    return kept


def _is_sound(draft: _Draft, entry: Ranked) -> bool:
    return entry.follows_doctrine and not (draft.barred or entry.candidate.fault or _invents_place(draft, entry))


def _invents_place(draft: _Draft, entry: Ranked) -> bool:
    corrected = [correction.check(entry.candidate.text) for correction in draft.corrections]
    return any(check.code == "UNGROUNDED_PLACE" and check not in corrected for check in entry.checks)


def _is_legible(candidate: Candidate) -> bool:
    return bool(candidate.situations) or candidate.fault in ("", *CUT_SHORT.values())


def _faults(candidate: Candidate) -> list[Check]:
    if not candidate.fault:
        return []
    message = f"the model's output could not be read whole ({candidate.fault}): do not send it, call back"
    return [Check("DOCTRINE_MISMATCH", "error", message, "instruction")]


def _broken(phrases: Sequence[str]) -> list[Check]:
    """What is told of a text that does not keep to the request's phrases."""
    if not phrases:
        return []
    message = f"does not keep to what the request asks of the text: {', '.join(phrases)}"
    return [Check("DOCTRINE_MISMATCH", "error", message, "instruction")]
