"""The digest of a request's body, and what can be stored at all."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.store import Instruction, body_digest
from dispatch.store.records import check_storable

BODY: dict[str, Any] = {
    "report": "水位上涨",
    "context": {"location": "歙县", "issued": ["待命"]},
    "decoding": {"strategy": "greedy", "seed": 1},
    "prefix": "派出",
    "incident_id": "i-1",
    "model": "stable",
    "priority": "high",
}
Make = Callable[..., Instruction]


@pytest.mark.parametrize("name", list(BODY))
def test_digest_depends_on_every_field(name: str) -> None:
    other = {"location": "黟县"} if isinstance(BODY[name], dict) else "other"
    assert body_digest(**{**BODY, name: other}) != body_digest(**BODY)


@given(st.permutations(list(BODY["context"])), st.permutations(list(BODY["decoding"])))
def test_digest_does_not_depend_on_the_order_of_keys(context: list[str], decoding: list[str]) -> None:
    reordered = {
        **BODY,
        "context": {key: BODY["context"][key] for key in context},
        "decoding": {key: BODY["decoding"][key] for key in decoding},
    }
    assert body_digest(**reordered) == body_digest(**BODY)


def test_digest_takes_a_tuple_for_a_list() -> None:
    context = {"location": "歙县", "issued": ("待命",)}
    assert body_digest(**{**BODY, "context": context}) == body_digest(**BODY)


@given(st.text(st.characters()), st.text(st.characters()))
def test_digest_does_not_run_fields_together(report: str, prefix: str) -> None:
    whole = body_digest(report=report, context={}, decoding={}, prefix=prefix)
    joined = body_digest(report=report + prefix, context={}, decoding={})
    assert len(whole) == 64
    assert (whole == joined) == (prefix == "")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"report": "a\0b"}, "report"),
        ({"request_id": "\ud83d"}, "request_id"),
        ({"context": {"issued": ["ok", "\udc00"]}}, r"context\.issued\[1\]"),
        ({"situations": [{"facts": {"\0": 1}}]}, r"a key of situations\[0\]\.facts"),
        ({"candidates": [{"token_scores": (-0.5, float("-inf"))}]}, r"candidates\[0\]\.token_scores\[1\]"),
        ({"confidence": float("nan")}, "confidence"),
        ({"created_at": datetime(2026, 1, 1)}, "created_at"),
    ],
)
def test_what_cannot_be_stored_is_named(draft: Make, change: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        check_storable(draft(**change))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_all_other_text_can_be_stored(text: str) -> None:
    empty: list[dict[str, Any]] = []
    record = Instruction(
        report=text,
        context={text: [text]},
        decoding={},
        instruction=text,
        candidates=empty,
        situations=empty,
        plan=empty,
        checks=empty,
        confidence=0.0,
        model={},
        doctrine="",
        timings={},
    )
    check_storable(record)
    assert json.loads(json.dumps(record.context, ensure_ascii=False).encode()) == record.context
