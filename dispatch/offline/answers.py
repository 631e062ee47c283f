"""From lines to results: the JSON object of one result, and batches in which a bad line harms no other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dispatch.offline.lines import RawLine, ReportLine
from dispatch.store import Instruction

JsonObject = dict[str, Any]

Answer = Callable[[Sequence[ReportLine]], list[JsonObject]]
"""Gives the result of every report, in order; ValueError where a report cannot be accepted."""


@dataclass(frozen=True)
class AnsweredLine:
    """A line with its result, or with the problem that it has; a blank line has neither."""

    line: RawLine
    report: ReportLine | None = None
    result: JsonObject | None = None
    problem: str = ""

    def error_object(self) -> JsonObject:
        """What stands for the result of a bad line."""
        return {"error": {"line": self.line.number, "message": self.problem}}


def result_object(instruction: Instruction) -> JsonObject:
    """The result that `dispatch generate --json` prints; `name` is there where the instruction was stored."""
    name = {"name": instruction.name} if instruction.name else {}
    return name | {
        "instruction": instruction.instruction,
        "candidates": [dict(candidate) for candidate in instruction.candidates],
        "situation": instruction.situations[0] if instruction.situations else {},
        "situations": list(instruction.situations),
        "plan": list(instruction.plan),
        "checks": list(instruction.checks),
        "confidence": instruction.confidence,
        "model": dict(instruction.model),
        "doctrine": instruction.doctrine,
        "timings": dict(instruction.timings),
    }


def answer_lines(lines: Sequence[RawLine], parse: Callable[[str], ReportLine], answer: Answer) -> list[AnsweredLine]:
    """Answers one batch of lines in their order. Lines that cannot be read or accepted keep the reason."""
    answered: dict[int, AnsweredLine] = {}
    sound: list[AnsweredLine] = []
    for line in lines:
        if line.text is not None and not line.text.strip():
            answered[line.number] = AnsweredLine(line)
            continue
        try:
            if line.text is None:
                raise ValueError(line.problem)
            sound.append(AnsweredLine(line, parse(line.text)))
        except ValueError as error:
            answered[line.number] = AnsweredLine(line, problem=str(error))
    answered |= {item.line.number: item for item in _answer_sound(sound, answer)}
    return [answered[line.number] for line in lines]


def _answer_sound(sound: Sequence[AnsweredLine], answer: Answer) -> list[AnsweredLine]:
    """Together for speed; where one of them is refused, by halves, until that one is alone."""
    if not sound:
        return []
    try:
        results = answer([_report(item) for item in sound])
    except ValueError as error:
        if len(sound) == 1:
            return [AnsweredLine(sound[0].line, sound[0].report, problem=str(error))]
        middle = len(sound) // 2
        return _answer_sound(sound[:middle], answer) + _answer_sound(sound[middle:], answer)
    return [AnsweredLine(item.line, item.report, result) for item, result in zip(sound, results, strict=True)]


def _report(item: AnsweredLine) -> ReportLine:
    assert item.report is not None
    return item.report
