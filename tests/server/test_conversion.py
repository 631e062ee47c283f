"""Records and options survive the wire: what the client gives back is what was stored and asked."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.client import Answer, AsyncClient, Client
from dispatch.decoding import DecodingConfig
from dispatch.domain import Situation
from dispatch.server.conversion import to_decoding_config, to_response
from dispatch.store import Instruction, Store
from dispatch.v1.types_pb2 import Decoding

CONFIGS = [
    DecodingConfig(),
    DecodingConfig("beam", beam_size=8, num_candidates=2, length_penalty=0.0, max_tokens=7),
    DecodingConfig("sample", num_candidates=2, temperature=0.5, top_k=3, top_p=0.9, seed=-5),
    DecodingConfig(required_phrases=("请速报", "A7"), banned_phrases=("直升机",), min_tokens=2),
]


def test_options_that_are_not_set_take_the_defaults() -> None:
    assert to_decoding_config(Decoding(prefix="派")) == DecodingConfig()


def test_an_option_set_to_zero_is_set() -> None:
    assert to_decoding_config(Decoding(length_penalty=0.0)) == DecodingConfig(length_penalty=0.0)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.strategy)
async def test_decoding_options_reach_the_engine(address: str, engine: Any, config: DecodingConfig) -> None:
    async with AsyncClient(address) as client:
        await client.generate("3人被困", decoding=config, prefix="派")
    assert (engine.requests[0].decoding, engine.requests[0].prefix) == (config, "派")


async def test_both_clients_give_back_what_is_stored(address: str, store: Store, situation: Situation) -> None:
    def ask() -> Answer:
        with Client(address) as client:
            return client.generate("50人被困,缺水", location="A7公路", issued=["派"], request_id="r1")

    answered = await asyncio.to_thread(ask)
    async with AsyncClient(address) as client:
        assert await client.generate("50人被困,缺水", location="A7公路", issued=["派"], request_id="r1") == answered
    answer = answered.to_dict()
    record = store.find_request("r1")
    assert record
    assert record.due_at
    due_at = record.due_at.isoformat().replace("+00:00", "Z")
    carried = {name: value for name, value in (vars(record) | {"due_at": due_at}).items() if name in answer}
    assert {"instruction", "candidates", "situations", "plan", "checks", "timings"} <= carried.keys()
    assert carried == {name: answer[name] for name in carried}
    assert any(order["count"] is None for order in answer["plan"])
    assert answer["checks"]
    assert answer["situation"] == situation.to_dict()
    assert not answer["releasable"]


@settings(deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    st.dictionaries(st.text(min_size=1, max_size=3), st.floats(min_value=0, max_value=1e6), max_size=3),
)
def test_numbers_arrive_exactly(token_scores: list[float], timings: dict[str, float]) -> None:
    candidate = {"text": "派", "score": -0.1, "token_scores": token_scores}
    reply = to_response(record(candidates=[candidate], timings=timings))
    assert list(reply.candidates[0].token_scores) == token_scores
    assert dict(reply.timings) == timings


def test_a_name_that_the_messages_lack_is_not_dropped_in_silence() -> None:
    with pytest.raises(ValueError, match="colour"):
        to_response(record(plan=[{"agency": "消防", "colour": "红"}]))


def record(**fields: Any) -> Instruction:
    empty: dict[str, Any] = {
        "report": "3人被困",
        "context": {},
        "decoding": {},
        "instruction": "派",
        "candidates": [],
        "situations": [],
        "plan": [],
        "checks": [],
        "confidence": 1.0,
        "model": {"name": "default", "digest": "ab12"},
        "doctrine": "cd34",
        "timings": {},
    }
    return Instruction(**(empty | fields))
