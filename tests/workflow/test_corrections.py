"""Reviewed pairs: what was released and nothing else, once, masked, and never what models are measured on."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.domain import Context, Count, Situation, default_doctrine, make_plans, render_instruction
from dispatch.engine import Candidate, Generation
from dispatch.model import BundleIdentity
from dispatch.store import Decision, Retention, Reviews, Store
from dispatch.workflow import IntakeRequest, corrections
from dispatch.workflow.corrections import Export, ReviewedPair, export_pairs, fingerprint, read_held_out
from dispatch.workflow.intake import make_draft

DOCTRINE = default_doctrine()
CLAUSE = "到场后回报水位"
FLOOD = Situation(location="杜鹃街道", hazards=("flood",), people={"trapped": Count(16, 16)})
REPORT = "杜鹃街道进水,16人被困,电话13812345678"
TEXT = render_instruction(make_plans([FLOOD], Context()))
MINUTE = timedelta(minutes=1)

Decide = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'dispatch.db'}")
    yield opened
    opened.close()


@pytest.fixture
def decide(store: Store) -> Decide:
    """Stores a draft for a report and decides about it; gives its name."""

    def run(action: str, text: str = "", report: str = REPORT, reviewer: str = "li", **changes: Any) -> str:
        reviews = Reviews(store.database)
        generation = Generation((Candidate(TEXT, -0.1, (-0.1,), (FLOOD,), 0.9),))
        request = IntakeRequest(report)
        made = make_draft(request, request.digest(), generation, BundleIdentity("b", "ab12"), None, DOCTRINE)
        name = store.save(replace(made, **changes)).name
        etag = reviews.claim(name, reviewer, MINUTE).etag
        reviews.decide(Decision(name=name, action=action, reviewer=reviewer, etag=etag, text=text, reason="r"))
        return name

    return run


def exported(store: Store, held_out: frozenset[str] = frozenset()) -> Export:
    return export_pairs(store, DOCTRINE, held_out)


def only(store: Store) -> ReviewedPair:
    (pair,) = exported(store).pairs
    return pair


def test_a_revised_draft_is_a_pair_with_the_reading_it_confirms(store: Store, decide: Decide) -> None:
    name = decide("revised", f"{TEXT},{CLAUSE}")
    pair = only(store).to_dict()
    provenance = pair.pop("provenance")
    assert pair == {
        "report": "杜鹃街道进水,16人被困,电话13800000000",
        "instruction": f"{TEXT},{CLAUSE}",
        "situations": [FLOOD.to_dict()],
    }
    assert (provenance["instructions"], provenance["action"], provenance["reviewers"]) == ([name], "revised", 1)
    assert "li" not in str(provenance)


@pytest.mark.parametrize("text", [TEXT.replace("2艘", "4艘"), f"{TEXT},派1台排水车", f"{TEXT},协调电力公司断电排险"])
def test_a_text_that_contradicts_doctrine_confirms_no_reading(store: Store, decide: Decide, text: str) -> None:
    decide("revised", text)
    assert (only(store).instruction, only(store).situations) == (text, ())


def test_what_was_rejected_recalled_returned_or_erased_is_no_pair(store: Store, decide: Decide) -> None:
    reviews = Reviews(store.database)
    decide("rejected", report="甲村进水")
    for action, report in (("recalled", "乙村进水"), ("returned", "丙村进水")):
        name = decide("approved", report=report)
        row = store.get(name)
        assert row is not None
        if action == "returned":
            reviews.decide(Decision(name=name, action=action, reviewer="wu", etag=row.etag, reason="look again"))
        else:
            reviews.decide(Decision(name=name, action=action, reviewer="wu", etag=row.etag, reason="wrong"))
    erased = decide("approved", report="丁村进水")
    Retention(store.database).erase(erased, actor="dpo", reason="demand")
    assert exported(store) == Export((), {"no longer released": 2, "erased": 1})


def test_one_report_is_one_pair_with_the_text_most_people_released(store: Store, decide: Decide) -> None:
    first = decide("approved")
    second = decide("approved", report=REPORT.replace(",", "。"), reviewer="wu")
    decide("revised", f"{TEXT},{CLAUSE}")
    export = exported(store)
    (pair,) = export.pairs
    assert pair.instruction == TEXT
    assert (set(pair.provenance.instructions), pair.provenance.reviewers) == ({first, second}, 2)
    assert export.left_out == {"the same report again": 2}


def test_one_person_who_decides_twice_counts_once(store: Store, decide: Decide) -> None:
    decide("approved")
    decide("approved")
    assert only(store).provenance.reviewers == 1


def test_evaluation_sets_and_the_seed_are_never_pairs(store: Store, decide: Decide, tmp_path: Path) -> None:
    decide("approved")
    decide("approved", report="A7公路进水")
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets/held.jsonl").write_text(
        '{"report": "杜鹃街道 进水!16人被困 电话13812345678"}\n\n', encoding="utf-8"
    )
    held_out = read_held_out([tmp_path / "sets"])
    assert held_out == {fingerprint(REPORT)}
    assert exported(store, held_out) == Export((), {"in an evaluation set": 2})


@pytest.mark.parametrize(
    "changes",
    [
        {"report": "Ａ７公路进水"},
        {"report": "a7公路进水"},
        {"context": {"location": "Ａ７公路"}},
        {"context": {"issued": ["派2台除雪车至A7公路"]}},
    ],
)
def test_the_seed_is_no_pair_however_it_is_written(store: Store, decide: Decide, changes: dict[str, Any]) -> None:
    decide("approved", **changes)
    assert exported(store) == Export((), {"in an evaluation set": 1})


def test_exported_pairs_that_are_held_back_are_no_pairs_again(store: Store, decide: Decide, tmp_path: Path) -> None:
    decide("approved")
    held = tmp_path / "held.jsonl"
    held.write_text(json.dumps(only(store).to_dict()) + "\n", encoding="utf-8")
    assert exported(store, read_held_out([held])) == Export((), {"in an evaluation set": 1})


def test_what_masking_would_change_in_a_reading_is_no_pair(store: Store, decide: Decide) -> None:
    at_home = replace(FLOOD, location="李女士家")
    text = render_instruction(make_plans([at_home], Context()))
    changes = {"situations": [at_home.to_dict()], "report": "李女士家进水,16人被困", "instruction": text}
    decide("approved", **changes)
    assert exported(store) == Export((), {"masking would change what was read": 1})


def test_what_another_version_has_stored_is_left_out_and_the_rest_exported(store: Store, decide: Decide) -> None:
    decide("approved", report="甲村进水", situations=[{"kind": "request", "hazards": ["tornado"]}])
    decide("approved")
    export = exported(store)
    assert (len(export.pairs), export.left_out) == (1, {"of another version of Dispatch": 1})


def test_what_is_decided_anew_while_it_is_exported_is_left_for_the_next_time(
    store: Store, decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = decide("approved")
    before = corrections.released_decisions(store)
    reviews, row = Reviews(store.database), store.get(name)
    assert row is not None
    reviews.decide(Decision(name=name, action="returned", reviewer="wu", etag=row.etag, reason="look again"))
    etag = reviews.claim(name, "wu", MINUTE).etag
    reviews.decide(Decision(name=name, action="revised", reviewer="wu", etag=etag, text=f"{TEXT},{CLAUSE}"))
    assert only(store).instruction == f"{TEXT},{CLAUSE}"
    monkeypatch.setattr(corrections, "released_decisions", lambda store: before)
    assert exported(store) == Export((), {"decided anew meanwhile": 1})


def test_evaluation_files_are_found_below_a_folder_and_those_of_another_format_are_named(tmp_path: Path) -> None:
    (tmp_path / "sets/may").mkdir(parents=True)
    (tmp_path / "sets/may/held.jsonl").write_text('{"report": "甲村进水"}\n', encoding="utf-8")
    (tmp_path / "sets/README.md").write_text("what is measured on", encoding="utf-8")
    assert read_held_out([tmp_path / "sets"]) == {fingerprint("甲村进水")}
    (tmp_path / "sets/more.csv").write_text("report,instruction\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"more\.csv: "):
        read_held_out([tmp_path / "sets"])


def test_evaluation_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"report": "a"}\n{}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"bad\.jsonl:2: "):
        read_held_out([bad])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no evaluation files"):
        read_held_out([tmp_path / "empty"])


def test_pairs_of_an_older_doctrine_are_regenerated(store: Store, decide: Decide) -> None:
    then = make_plans([FLOOD], Context())[0]
    old_text = TEXT.replace("2艘", "3艘")
    plan = [{**order.to_dict(), **({"count": 3} if order.item == "冲锋舟" else {})} for order in then.orders]
    decide("revised", f"{old_text},{CLAUSE}", plan=plan, doctrine="of then", instruction=old_text)
    pair = only(store)
    assert pair.instruction == f"{TEXT},{CLAUSE}"
    assert pair.situations == (FLOOD,)
    assert pair.provenance.regenerated


def test_what_an_operator_had_begun_is_no_pair(store: Store, decide: Decide) -> None:
    decide("approved", prefix="派2艘")
    assert exported(store) == Export((), {"its beginning was typed": 1})
