"""What training has shown is known again, and what it has not is told as unseen, but for a few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.model import NgramCounter, SeenNgrams

KNOWN = ("青石镇内涝,12人被困", "柳河村山体滑坡,3人被埋")
STRANGE = "雪糕批发价每箱八十块谁要赶紧联系我家店铺地址见主页"


def seen_in(*texts: str) -> SeenNgrams:
    counter = NgramCounter()
    for text in texts:
        counter.add(text)
    return counter.seen()


def test_what_was_shown_twice_is_seen_whatever_its_width() -> None:
    seen = seen_in(*KNOWN, *KNOWN)
    assert [seen.unseen_share(text) for text in KNOWN] == [0.0, 0.0]
    assert seen.unseen_share("青石镇内涝,１２人被困") == 0.0
    assert seen.unseen_share(STRANGE) == 1.0


def test_the_share_is_of_the_runs_of_a_text() -> None:
    seen = seen_in("甲乙丙丁", "甲乙丙丁")
    assert seen.unseen_share("甲乙丙丁戊己") == 0.5  # 甲乙丙 and 乙丙丁 of four
    assert seen.unseen_share("丁丙乙甲") == 1.0


def test_what_stands_in_one_text_alone_is_not_known_however_often() -> None:
    assert seen_in("雪雪雪雪雪雪", "水").unseen_share("雪雪雪") == 1.0


def test_of_many_texts_a_run_must_be_in_one_of_fifty_thousand() -> None:
    counter = NgramCounter()
    for number in range(150_000):
        counter.add("又来了" if number < 2 else "还没来" if number < 5 else "水")
    assert (counter.seen().unseen_share("又来了"), counter.seen().unseen_share("还没来")) == (1.0, 0.0)


@given(st.text())
def test_any_text_has_a_share(text: str) -> None:
    assert 0 <= seen_in(*KNOWN).unseen_share(text) <= 1
    assert seen_in(text, text).unseen_share(text) == 0


def test_it_comes_back_from_its_bytes_and_joins_another() -> None:
    one, other = seen_in(KNOWN[0], KNOWN[0]), seen_in(KNOWN[1], KNOWN[1])
    again = SeenNgrams.from_bytes((one | other).to_bytes())
    assert [again.unseen_share(text) for text in KNOWN] == [0.0, 0.0]
    assert one.unseen_share(KNOWN[1]) > 0.9
    with pytest.raises(ValueError, match="3 bytes are no table"):
        SeenNgrams.from_bytes(b"abc")
