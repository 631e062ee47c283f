"""Answers without a model, through the same measures: what gold would get, and what cheap tricks would."""

from collections.abc import Callable, Mapping

from dispatch.domain import Situation, make_plans, render_instruction
from dispatch.engine import Candidate, Generation
from dispatch.model import normalize, normalize_context
from training.judging import Example, as_written
from training.labelled import LabelledReport


def gold(example: Example) -> Generation:
    """The gold situations with doctrine's text for them; without situations the pair's own instruction."""
    if isinstance(example, LabelledReport) or example.situations:
        return _by_doctrine(example, tuple(as_written(situation) for situation in example.situations))
    return _generation(normalize(example.instruction).text, ())


def always_request(example: Example) -> Generation:
    """A request that says nothing, for the context's place, whatever the report."""
    return _by_doctrine(example, (Situation(location=normalize(example.context.location).text),))


def copied_report(example: Example) -> Generation:
    """The report itself as instruction, and as the place of a request."""
    report = normalize(example.report).text
    return _generation(report, (Situation(location=report),))


BASELINES: Mapping[str, Callable[[Example], Generation]] = {
    "gold": gold,
    "request": always_request,
    "copy": copied_report,
}


def _by_doctrine(example: Example, situations: tuple[Situation, ...]) -> Generation:
    text = render_instruction(make_plans(situations, normalize_context(example.context)))
    return _generation(text, situations)


def _generation(text: str, situations: tuple[Situation, ...]) -> Generation:
    return Generation((Candidate(text, 0.0, situations=situations, confidence=1.0),))
