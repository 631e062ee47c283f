import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from training.bootstrap import Estimate
from training.evaluate import FileReport
from training.metrics import MEASURES
from training.tables import compact, interval, label, percent, replace_results, results_table, summary_tables, tables


def report(choice: str, measures: Mapping[str, Estimate], file: str = "a.jsonl", labelled: bool = False) -> FileReport:
    return FileReport(file, choice, labelled, 2000, ("a.jsonl:7: not JSON",), measures, {}, {}, (), ())


GOOD = Estimate(0.98765, 0.98, 0.995, 2000)
NETWORK = report("network", {"instruction": GOOD, "situation": GOOD, "slot_errors": Estimate(0.031, 0.02, 0.04, 1990)})
SERVICE = report("service", {"instruction": Estimate(1.0, 1.0, 1.0, 2000), "situation": GOOD})
LABELLED = report("service", {"situation": GOOD, "must_contain": GOOD}, file="b.jsonl", labelled=True)
TEXTS = report("network", {"instruction": GOOD, "bleu": GOOD}, file="c.jsonl")


def printed(*reports: FileReport) -> list[str]:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(*tables(reports))
    return capture.get().splitlines()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│ ").split("│")]


def test_a_file_has_one_table_with_columns_for_each_choice() -> None:
    lines = printed(NETWORK, SERVICE)
    assert "a.jsonl: 2,000 pairs, 1 bad lines left out (%)" in lines[0]
    rows = [cells(line) for line in lines if "│" in line]
    assert rows == [
        ["instruction", "98.77", "98.0-99.5", "2,000", "100.00", "100.0-100.0", "2,000"],
        ["situation", "98.77", "98.0-99.5", "2,000", "98.77", "98.0-99.5", "2,000"],
        ["slot errors ↓", "3.10", "2.0-4.0", "1,990", "-", "-", "0"],
    ]


def test_files_have_tables_of_their_own() -> None:
    titles = [line.strip() for line in printed(NETWORK, LABELLED) if "bad lines" in line]
    assert [title.partition(",")[0] for title in titles] == ["a.jsonl: 2", "b.jsonl: 2"]
    assert "labelled reports" in titles[1]


@pytest.mark.parametrize(("share", "text"), [(None, "-"), (0.5, "50.00"), (1, "100.00"), (0.98765, "98.77")])
def test_shares_are_shown_in_percent(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_an_interval_that_is_not_there_is_a_dash() -> None:
    assert interval(Estimate(None, None, None, 0)) == "-"


def test_less_is_better_is_marked() -> None:
    assert (label("slot_errors"), label("needs_f1")) == ("slot errors ↓", "needs F1")


def test_every_measure_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/cli.md").read_text(encoding="utf-8")
    assert [measure for measure in MEASURES if f"| {label(measure.name)} | {measure.meaning} |" not in text] == []


def test_a_bundle_keeps_the_main_figures_of_each_file() -> None:
    assert compact(NETWORK.to_dict()) == {
        "file": "a.jsonl",
        "choice": "network",
        "compared_with": "pairs with situations",
        "rows": 2000,
        "bad_lines": 1,
        "metrics": {
            "instruction": {"value": 0.98765, "low": 0.98, "high": 0.995, "n": 2000},
            "situation": {"value": 0.98765, "low": 0.98, "high": 0.995, "n": 2000},
            "slot_errors": {"value": 0.031, "low": 0.02, "high": 0.04, "n": 1990},
        },
        "reliability": [],
    }
    assert compact(LABELLED.to_dict())["compared_with"] == "labelled reports"
    assert compact(TEXTS.to_dict())["compared_with"] == "pairs of texts"


def test_the_summary_has_a_table_for_each_kind_of_file() -> None:
    text = summary_tables([compact(entry.to_dict()) for entry in (NETWORK, LABELLED, SERVICE)])
    first, second = text.split("\n\nLabelled reports:\n\n")
    lines = first.splitlines()
    assert lines[0] == "Pairs with situations:"
    assert lines[2].startswith("| file | chosen by | n | instruction | situation | kind |")
    assert set(lines[3]) == {"|", "-"}
    assert lines[4].startswith("| a.jsonl | network | 2000 | 98.77 | 98.77 | - |")
    assert lines[5].startswith("| a.jsonl | service | 2000 | 100.00 |")
    assert "| must contain |" in second
    assert len(second.splitlines()) == 3


@pytest.mark.parametrize(
    "names", [("accuracy", "judged"), ("value", "n")], ids=["as measured before", "as measured now"]
)
def test_the_table_of_the_readmes_has_a_row_a_file_and_a_dash_where_nothing_could_be_judged(
    names: tuple[str, str],
) -> None:
    value, n = names
    good: dict[str, Any] = {value: 0.98765, n: 2000}
    metrics = dict.fromkeys(("instruction", "numbers", "situation", "resources", "counts"), good)
    text = results_table([{"file": "seen.jsonl", "choice": "network", "metrics": metrics | {"place": {value: None}}}])
    assert text.splitlines() == [
        "| file | chosen by | pairs | instruction | numbers | situation | place | resources | counts |",
        "|---|---|---|---|---|---|---|---|---|",
        "| seen.jsonl | network | 2000 | 98.77 | 98.77 | 98.77 | - | 98.77 | 98.77 |",
    ]


def test_the_readmes_quote_pairs_with_situations_alone() -> None:
    assert results_table([compact(LABELLED.to_dict()), compact(TEXTS.to_dict())]) == ""


@pytest.mark.parametrize("name", ["a|b.jsonl", "a\\|b.jsonl", "<!-- end of results -->.jsonl"])
def test_no_name_of_a_file_breaks_its_row_or_the_card(name: str) -> None:
    rows = summary_tables([compact(report("service", {"situation": GOOD}, file=name).to_dict())]).splitlines()[2:]
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows} == {rows[1].count("|")}
    assert "-->" not in rows[2]


CARD = "# mine\n\n### Results\n\nof my own\n"


def test_results_are_added_to_a_card_and_later_replaced_and_all_else_stays() -> None:
    card = replace_results(CARD, "first \\1")
    assert card.startswith(CARD)
    assert card.count("first \\1") == 1
    again = replace_results(card + "\n## Licence\n\nfree\n", "second")
    assert again == card.replace("first \\1", "second") + "\n## Licence\n\nfree\n"


def test_the_results_of_a_card_without_marks_are_the_section_by_that_heading() -> None:
    card = replace_results(CARD + "\n## Results\n\n| old |\n\n### by hazard\n\n| old |\n\n## Licence\n\nfree\n", "new")
    assert card == f"{CARD}\n<!-- results -->\n## Results\n\nnew\n\n<!-- end of results -->\n\n## Licence\n\nfree\n"
    assert replace_results(CARD + "\n## Results\n\n| old |\n", "new").endswith("\nnew\n\n<!-- end of results -->\n")
