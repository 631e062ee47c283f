"""Masking: numbers by which somebody can be called are not shown, and everything else is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.store import Instruction
from dispatch.workflow.masking import mask_instruction, mask_text, mask_value


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("电话13812345678。", "电话138****5678。"),
        ("138 1234 5678", "138 **** 5678"),
        ("138-1234-5678", "138-****-5678"),
        ("1 3 8 1 2 3 4 5 6 7 8", "1 3 8 * * * * 5 6 7 8"),
        ("+8613812345678", "+861******5678"),
        ("１３８１２３４５６７８", "１３８****５６７８"),
        ("0559-6512345", "055*-***2345"),
        ("05596512345", "055****2345"),
        ("400-820-8820", "400-***-8820"),
        ("+86138 1234 5678", "+861** **** 5678"),
        ("0086138-1234-5678", "008****-****-5678"),
        ("138.1234.5678", "138.****.5678"),
        ("138—1234—5678", "138—****—5678"),
        ("138 / 1234 / 5678", "138 / **** / 5678"),
        ("010-6512-3456", "010-****-3456"),
        ("(0371)6512-3456", "(037*)****-3456"),
        ("0371 6512 3456", "037* **** 3456"),
        ("(0371)65123456", "(037*)****3456"),
        ("身份证11010119900307123X", "身份证110**********7123X"),
        ("幺三八 幺二三四 五六七八", "幺三八 **** 五六七八"),
        ("一三八-一二三四-五六七八", "一三八-****-五六七八"),
        ("座机6512345", "座机***2345"),
        ("QQ群:123456789", "QQ群:123**6789"),
        ("一三八一二三四五六七八", "一三八****五六七八"),
        ("幺三八幺二三四五六七八", "幺三八****五六七八"),
        ("两个号13812345678、13912345678", "两个号138****5678、139****5678"),
        ("138\u200b12345678", "138\u200b****5678"),
        ("1381\u200b2345678", "138*****5678"),
    ],
)
def test_contact_numbers_lose_their_middle(text: str, masked: str) -> None:
    assert mask_text(text) == masked
    assert len(masked) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "大广高速K2372+600",
        "S311K135+300处",
        "积雪3米,50人被困,2021-07-20",
        "113.640123,34.756612",
        "135.123456/48.123456",
        "1500-2000人,1000~3000人",
        "2021.07.20 13.45",
        "三、五、七、九、十一、十三、十五楼",
        "instructions/12345678901a2345678901234567890f is like it",
        "三五十人,一千多户",
        "",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert mask_text(text) == text


@given(st.text(alphabet="0123456789 -一二三零幺１２３人困在,.abc+\u200b", max_size=60))
def test_what_is_masked_is_as_long_and_stays_so(text: str) -> None:
    masked = mask_text(text)
    assert len(masked) == len(text)
    assert all(new in (old, "*") for old, new in zip(text, masked, strict=True))


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.text(alphabet="困在,人 ", max_size=9))
def test_no_mobile_number_can_be_read(number: str, words: str) -> None:
    value: Any = {"a": [f"{words}{number}{words}"], "b": {"c": number}, "n": 13812345678, "d": None}
    masked = mask_value(value)
    assert number not in str({key: item for key, item in masked.items() if key != "n"})
    assert (masked["n"], masked["d"], masked["b"]["c"]) == (13812345678, None, f"{number[:3]}****{number[-4:]}")


def test_every_text_of_an_instruction_is_masked_and_what_identifies_it_is_not() -> None:
    number, name = "13812345678", "instructions/" + "13812345678".rjust(32, "a")
    record = Instruction(
        name=name,
        request_id=number,
        report=number,
        context={"location": number, "issued": [number]},
        decoding={},
        prefix=number,
        instruction=number,
        candidates=[{"text": number, "score": -0.5, "token_scores": [-0.5]}],
        situations=[{"kind": "request", "location": number}],
        plan=[{"agency": "消防", "item": number, "count": 3}],
        checks=[{"code": "UNREAD_NUMBER", "message": f"{number} as in {name}"}],
        confidence=0.5,
        model={"name": "default", "digest": number},
        doctrine=number,
        timings={},
        final_text=number,
    )
    masked = mask_instruction(record)
    assert (masked.name, masked.request_id, masked.model, masked.doctrine) == (name, number, record.model, number)
    assert masked.checks[0]["message"] == f"138****5678 as in {name}"
    texts = (masked.report, masked.context, masked.prefix, masked.instruction, masked.candidates, masked.situations)
    assert number not in str((*texts, masked.plan, masked.final_text))
