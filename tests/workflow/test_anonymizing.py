"""Personal data do not enter pairs; what a model must read stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.workflow.anonymizing import anonymize
from dispatch.workflow.masking import contact_digits


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
        ("我叫李小红,在村口", "我叫某某某,在村口"),
        (",王女士被困", ",某女士被困"),
        ("+8613812345678", "+8610000000000"),
        ("联系电话-13812345678", "联系电话-13800000000"),
        ("138-123-45678", "138-000-00000"),
        ("1 3 8 1 2 3 4 5 6 7 8", "1 3 8 0 0 0 0 0 0 0 0"),
        ("座机65951234,400-820-8820", "座机65900000,400-000-0000"),
        ("幺三八幺二三四五六七八", "幺三八零零零零零零零零"),
        ("QQ群:123456,微信同号abc_123,vx是abc12345", "QQ群:xxxxxx,微信同号xxxxxxx,vx是xxxxxxxx"),
        ("微信同号13812345678", "微信同号13800000000"),
        ("联系人张伟电话13812345678", "联系人某某电话13800000000"),
        ("我叫李小红在山上", "我叫某某某在山上"),
        ("请联系王女士", "请联系某女士"),
        (",张伟先生被埋", ",某某先生被埋"),
        ("张伟13812345678、139 1234 5678(李小红)", "某某13800000000、139 0000 0000(某某某)"),
    ],
)
def test_what_tells_of_a_person_is_masked(text: str, masked: str) -> None:
    assert anonymize(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "张庄村3组水深1.5米,50人被困",
        "G107国道K652+300",
        "我叫不到人",
        "王家村方向",
        "120和119都打了",
        "联系人在张庄村",
        "113.640123,34.756612",
    ],
)
def test_places_counts_and_words_stay(text: str) -> None:
    assert anonymize(text) == text


@given(st.text("0123456789138 -电话a幺三联系人:张伟女士微信@.", max_size=40))
def test_no_digit_of_a_number_is_left_behind_its_beginning_and_nothing_is_left_to_do(text: str) -> None:
    masked = anonymize(text)
    assert all(masked[at] in "0零" for digits in contact_digits(masked) for at in digits[3:])
    assert anonymize(masked) == masked
