"""What a pair of a file may hold."""

import pytest

from dispatch.domain import MAX_SITUATIONS, Situation
from training.corpus import Pair


def record(situations: int) -> dict[str, object]:
    fields = [Situation(location=f"{number}村").to_dict() for number in range(situations)]
    return {"report": "各村都淹了", "instruction": "派冲锋舟至各村", "situations": fields}


def test_a_pair_holds_as_many_situations_as_an_instruction_can_number() -> None:
    assert len(Pair.from_dict(record(MAX_SITUATIONS)).situations) == MAX_SITUATIONS
    with pytest.raises(ValueError, match="field 'situations' holds 11, an instruction at most 10"):
        Pair.from_dict(record(MAX_SITUATIONS + 1))
