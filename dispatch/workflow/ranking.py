"""Ranking: which candidate is sent, by the deterministic checks first and the network's score second.

A rule checker as reranker is cheap and strong (Dušek and Jurčíček 2016, reranking by slot errors): what is left of the
network's mistakes, once it has read the situation, is mostly arithmetic that doctrine does exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dispatch.domain import Check, Context, Doctrine, Plan, make_plans, render_instruction, run_checks
from dispatch.domain.checks import Candidate as CheckedCandidate
from dispatch.engine import Candidate, Generation, GenerationRequest
from dispatch.model import normalize, normalize_context


@dataclass(frozen=True)
class Ranked:
    """A candidate with doctrine's plans for its situations and the findings of all checks."""

    candidate: Candidate
    plans: tuple[Plan, ...]
    checks: tuple[Check, ...]

    @property
    def errors(self) -> int:
        return sum(check.severity == "error" for check in self.checks)

    @property
    def follows_doctrine(self) -> bool:
        return bool(self.plans) and self.candidate.text == render_instruction(self.plans)


def rank(request: GenerationRequest, generation: Generation, doctrine: Doctrine) -> list[Ranked]:
    """The network's candidates and doctrine's text for the best one's situations, the one to send first.

    Fewest errors win, then agreement with doctrine, then the network's own order. A typed prefix is always kept.
    """
    report = normalize(request.report).text
    context = normalize_context(request.context)
    ranked = []
    for candidate in _with_doctrine(generation.candidates, context, request.prefix, doctrine):
        plans = make_plans(candidate.situations, context, doctrine)
        checked = CheckedCandidate(
            report,
            context,
            candidate.situations,
            plans,
            candidate.text,
            candidate.confidence,
            generation.source_truncated,
        )
        ranked.append(Ranked(candidate, plans, (*_faults(candidate), *run_checks(checked, doctrine))))
    return sorted(ranked, key=lambda entry: (entry.errors, not entry.follows_doctrine))


def _with_doctrine(
    candidates: Sequence[Candidate], context: Context, prefix: str, doctrine: Doctrine
) -> list[Candidate]:
    """The candidates; behind the best one, doctrine's text for the same situations where it is another."""
    best, *others = candidates
    if not best.situations:
        return list(candidates)
    text = render_instruction(make_plans(best.situations, context, doctrine))
    if text in {candidate.text for candidate in candidates} or not text.startswith(normalize(prefix).text):
        return list(candidates)
    return [best, replace(best, text=text, token_scores=(), fault=""), *others]


def _faults(candidate: Candidate) -> list[Check]:
    if not candidate.fault:
        return []
    message = f"the model's output could not be read whole ({candidate.fault}): do not send it, call back"
    return [Check("DOCTRINE_MISMATCH", "error", message, "instruction")]
