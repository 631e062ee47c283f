"""Explanations of stored and new instructions, with a network that has learnt nothing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dispatch.domain import Context, Count, Situation, make_plans, render_instruction
from dispatch.engine import TorchEngine
from dispatch.model import Bundle, load_bundle
from dispatch.store import Instruction, Store
from dispatch.store.records import utc_now
from dispatch.workflow import IntakeRequest
from dispatch.workflow.explain import Explanation, NothingToExplain, View, explain_report, explain_stored
from dispatch.workflow.live import NO_MODEL

SITUATION = Situation(location="A7公路", hazards=("snow_road",), people={"trapped": Count(50, 50)})
PLANS = make_plans([SITUATION], Context())


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return load_bundle(tiny_bundle)


def stored(**changes: Any) -> Instruction:
    fields: dict[str, Any] = {
        "report": "A7公路积雪,50人被困",
        "context": {"location": "", "issued": []},
        "decoding": {},
        "instruction": render_instruction(PLANS),
        "candidates": [],
        "situations": [SITUATION.to_dict()],
        "plan": [order.to_dict() for plan in PLANS for order in plan.orders],
        "checks": [],
        "confidence": 0.5,
        "model": {"name": "other", "digest": "ab12"},
        "doctrine": "",
        "timings": {},
    }
    return Instruction(**fields | changes)


@pytest.fixture
def explanation(bundle: Bundle) -> Explanation:
    return explain_stored(bundle, stored())


def test_a_stored_instruction_is_written_once_more(explanation: Explanation) -> None:
    # A character that the tokenizer does not know is several tokens.
    written = {token.start: token.text for token in explanation.target if token.part == "instruction" and token.end}
    assert "".join(written.values()) == explanation.instruction.instruction
    parts = {token.part for token in explanation.target}
    assert {"situations[0].location", "situations[0].people.trapped", "situations[0].working"} <= parts
    assert all(token.score is not None and token.score <= 0 for token in explanation.target)


def test_it_is_the_same_after_the_store(bundle: Bundle, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'dispatch.db'}")
    row = store.get(store.save(stored()).name)
    store.close()
    assert row is not None
    explained = explain_stored(bundle, row).to_dict()
    assert explained | {"name": ""} == explain_stored(bundle, stored()).to_dict()


def test_it_says_whether_the_network_is_the_one_that_wrote_it(bundle: Bundle, explanation: Explanation) -> None:
    assert not explanation.wrote_it
    assert explanation.model == bundle.identity
    assert explain_stored(bundle, stored(model=bundle.identity.to_dict())).wrote_it


def test_a_view_is_one_layer_and_head_or_their_mean(explanation: Explanation) -> None:
    weights = explanation.weights["decoder"]
    np.testing.assert_array_equal(explanation.matrix(View("decoder", 1, 2)), weights[0, 1])
    np.testing.assert_allclose(explanation.matrix(View("decoder", 1)), weights[0].mean(0), atol=1e-6)
    np.testing.assert_allclose(explanation.matrix(View("decoder")), weights.mean((0, 1)), atol=1e-6)
    assert len(list(explanation.views())) == 3 * 1 * 2


@pytest.mark.parametrize(
    ("view", "message"), [(View(layer=2), "layer: must be from 0"), (View(head=-1), "head: must be from 0")]
)
def test_a_layer_or_head_that_is_not_there_is_refused(explanation: Explanation, view: View, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explanation.matrix(view)


@pytest.mark.parametrize("kind", ["encoder", "decoder", "cross"])
def test_rows_and_columns_have_their_tokens(explanation: Explanation, kind: Any) -> None:
    shape = explanation.matrix(View(kind)).shape
    assert shape == (len(explanation.rows(kind)), len(explanation.columns(kind)))


def test_its_json_holds_the_views_asked_for_with_four_digits(explanation: Explanation) -> None:
    data = json.loads(json.dumps(explanation.to_dict([View(), View("encoder", 1, 2)])))
    assert [(view["kind"], view["layer"], view["head"]) for view in data["attention"]] == [
        ("cross", 0, 0),
        ("encoder", 1, 2),
    ]
    np.testing.assert_allclose(data["attention"][1]["weights"], explanation.weights["encoder"][0, 1], atol=5.1e-5)
    assert data["layers"] == {"encoder": 1, "decoder": 1, "cross": 1}
    assert data["heads"] == 2
    by_path = {entry["path"]: entry for entry in data["alignments"]}
    (span,) = by_path["situations[0].people.trapped"]["spans"]
    assert stored().report[span["start"] : span["end"]] == "50人"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (stored(model=NO_MODEL, situations=[], plan=[]), "no model has read"),
        (replace(stored(), erased_at=utc_now()), "erased"),
        (stored(situations=[{"kind": "request", "location": "", "hazards": ["meteor"]}]), "labels are not those"),
    ],
)
def test_where_there_is_nothing_to_explain_it_says_so(bundle: Bundle, row: Instruction, message: str) -> None:
    with pytest.raises(NothingToExplain, match=message):
        explain_stored(bundle, row)


def test_a_report_is_answered_and_explained_without_a_store(bundle: Bundle) -> None:
    engine = TorchEngine(bundle)
    explanation = explain_report(engine, IntakeRequest("A7公路积雪", Context("B镇")))
    assert explanation.wrote_it
    assert explanation.instruction.name == ""
    assert {"context.location", "report"} == {token.part for token in explanation.source}
    assert explain_stored(engine, explanation.instruction).to_dict() == explanation.to_dict()
