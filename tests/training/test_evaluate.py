import json
from pathlib import Path

import pytest
from rich.console import Console

from dispatch.decoding import DecodingConfig
from dispatch.domain import Context, Situation
from dispatch.engine import Candidate, Generation, GenerationRequest
from training.corpus import Pair
from training.evaluate import evaluate, network_choice, results_table, table
from training.metrics import METRICS

SITUATION = Situation(location="青石镇")


NETWORK = {"network": network_choice}


def write(path: Path, pairs: list[Pair], extra: str = "") -> Path:
    path.write_text("".join(json.dumps(pair.to_dict()) + "\n" for pair in pairs) + extra, encoding="utf-8")
    return path


def answer_with(text: str, situations: tuple[Situation, ...] = ()) -> Generation:
    return Generation((Candidate(text, 0.0, (0.0,), situations),), False, {})


def echo(requests: list[GenerationRequest]) -> list[Generation]:
    """Answers with the report; with the situation too if the context has a location."""
    return [answer_with(r.report, (SITUATION,) if r.context.location else ()) for r in requests]


def test_answers_meet_their_own_pairs_whatever_the_order_of_decoding(tmp_path: Path) -> None:
    pairs = [Pair("甲" * (1 + index * 7 % 50), "甲" * (1 + index * 7 % 50)) for index in range(100)]
    (report,) = evaluate(echo, [write(tmp_path / "a.jsonl", pairs)], DecodingConfig(), NETWORK)
    assert (report.pairs, report.accuracies["instruction"].right, report.mistakes) == (100, 100, ())


def test_a_report_per_file_counts_what_was_right_and_shows_what_was_not(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", [Pair("甲", "甲"), Pair("乙", "丙")], extra="not json\n")
    second = write(tmp_path / "b.jsonl", [Pair("丁", "丁", Context("青石镇"), (SITUATION,))])
    progress: list[tuple[str, int, int]] = []
    reports = evaluate(echo, [first, second], DecodingConfig(), NETWORK, lambda *done: progress.append(done))
    assert [(r.file, r.pairs, r.bad_lines) for r in reports] == [("a.jsonl", 2, 1), ("b.jsonl", 1, 0)]
    assert reports[0].accuracies["instruction"].share == 0.5
    assert reports[0].accuracies["situation"].judged == 0
    assert reports[1].accuracies["situation"].share == 1
    assert [(m.pair, m.answer) for m in reports[0].mistakes] == [(Pair("乙", "丙"), Pair("乙", "乙"))]
    assert progress == [("a.jsonl", 2, 2), ("b.jsonl", 1, 1)]
    facts = json.loads(json.dumps(reports[0].to_dict()))
    assert facts["metrics"]["instruction"] == {"accuracy": 0.5, "right": 1, "judged": 2}
    assert facts["mistakes"][0]["answered"]["instruction"] == "乙"


def test_the_table_has_a_row_per_file_and_no_number_where_nothing_was_judged(tmp_path: Path) -> None:
    reports = evaluate(
        echo, [write(tmp_path / "a.jsonl", [Pair("甲", "甲"), Pair("乙", "丙")])], DecodingConfig(), NETWORK
    )
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table(reports))
    row = next(line for line in capture.get().splitlines() if "a.jsonl" in line)
    cells = [cell.strip() for cell in row.strip("│ ").split("│")]
    assert cells == ["a.jsonl", "network", "2", "50.00", "100.00", "-", "-", "-", "-"]


def test_a_file_without_a_usable_pair_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.jsonl holds no usable pair; the first error is .*a\.jsonl:1"):
        evaluate(echo, [write(tmp_path / "a.jsonl", [], extra="{}\n")], DecodingConfig(), NETWORK)


def test_the_results_table_has_a_row_a_file_and_a_slice_and_a_dash_where_nothing_could_be_judged() -> None:
    judged = {name: {"accuracy": 0.98765, "judged": 2000} for name in METRICS} | {"place": {"accuracy": None}}
    lines = results_table(
        [{"file": "seen.jsonl", "choice": "network", "metrics": judged, "slices": {"flood": judged}}]
    ).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| seen.jsonl | network | 2000 | 98.77 |")
    assert lines[2].split("|")[4 + METRICS.index("place")].strip() == "-"
    assert lines[3].startswith("| seen.jsonl: flood | network | 2000 |")


def test_requests_are_sliced_by_hazard_and_the_rest_by_kind(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    situations = [Situation(hazards=("flood",)), Situation(hazards=("flood",)), Situation(kind="offer")]
    pairs = [Pair(f"r{index}", "派", situations=(situation,)) for index, situation in enumerate(situations)]
    path.write_text("".join(json.dumps(pair.to_dict()) + "\n" for pair in pairs))

    def answer(requests: list[GenerationRequest]) -> list[Generation]:
        return [Generation((Candidate("派" if request.report != "r1" else "不派", 0.0),)) for request in requests]

    (report,) = evaluate(answer, [path], DecodingConfig(), NETWORK)
    instruction = {key: values["instruction"] for key, values in report.slices.items()}
    assert {key: (value.right, value.judged) for key, value in instruction.items()} == {
        "flood": (1, 2),
        "offer": (1, 1),
    }


def test_each_choice_among_the_candidates_has_its_report(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [Pair("r", "二")])

    def answer(requests: list[GenerationRequest]) -> list[Generation]:
        return [Generation((Candidate("一", 0.0), Candidate("二", -1.0))) for _ in requests]

    choices = {**NETWORK, "last": lambda _request, generation: generation.candidates[-1]}
    first, last = evaluate(answer, [path], DecodingConfig(), choices)
    assert (first.choice, first.accuracies["instruction"].right) == ("network", 0)
    assert (last.choice, last.accuracies["instruction"].right) == ("last", 1)
