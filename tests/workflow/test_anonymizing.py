"""Personal data do not enter pairs; what a model must read stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain.extraction import find_phones
from dispatch.workflow.anonymizing import anonymize


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("电话13812345678,快", "电话13800000000,快"),
        ("打138 1234 5678", "打138 0000 0000"),
        ("座机0371-65951234", "座机0370-00000000"),
        ("身份证41010119900101123X", "身份证" + "0" * 18),
        ("邮件zhang.san@example.org", "邮件x@example.com"),
        ("微信号abc_12345", "微信号xxxxxxxxx"),
        ("联系人:张伟13812345678", "联系人:某某13800000000"),
        ("我叫李小红,在村口", "我叫某某,在村口"),
        (",王女士被困", ",某女士被困"),
    ],
)
def test_what_tells_of_a_person_is_masked(text: str, masked: str) -> None:
    assert anonymize(text) == masked


@pytest.mark.parametrize(
    "text", ["张庄村3组水深1.5米,50人被困", "G107国道K652+300", "我叫不到人", "王家村方向", "120和119都打了"]
)
def test_places_counts_and_words_stay(text: str) -> None:
    assert anonymize(text) == text


@given(st.text("0123456789138 -电话a", max_size=40))
def test_no_digit_of_a_phone_is_left_behind_its_beginning(text: str) -> None:
    masked = anonymize(text)
    assert all(set(masked[start + 3 : end]) <= set("0 -") for start, end in find_phones(masked))
    assert len(masked) == len(text)
