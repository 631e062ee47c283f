import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import Count
from training.stated import Stated, read_stated
from training.synthesis.numbers import to_chinese


def stated(text: str) -> Stated:
    return read_stated([text])


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("我和我奶奶困在里面", 2),
        ("司机及三名乘客被撞伤", 4),
        ("一个大人带仨娃", 4),
        ("里头15人,出来4人", 11),
        ("重伤2人轻伤3人", 5),
    ],
)
def test_people_named_and_sums_of_people_are_counts_and_no_other_numbers(text: str, people: int) -> None:
    assert stated(text).has_count(Count(people, people))
    assert not stated(text).has_count(Count(people + 9, people + 9))
    assert not stated(text).has(people)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("50人", 50),
        ("水深1.5米", 1.5),
        ("五十个人", 50),
        ("两百零三户", 203),
        ("二零零人", 200),
        ("1,500人", 1500),
        ("3万人", 30_000),
        ("三百五十人", 350),
        ("三百五", 350),
        ("一万二千人", 12_000),
        ("兩個人", 2),
        ("三四十人", 30),
        ("三四十人", 40),
        ("五…十人", 50),
        ("5 0 人", 50),
        ("六层", 6),
        ("五点四级", 5.4),
        ("一米二", 1.2),
        ("1米2", 1.2),
        ("两米半", 2.5),
        ("半米", 0.5),
        ("八十公分", 0.8),
        ("两天没吃了", 48),
        ("三百米的路", 0.3),
        ("90分钟", 1.5),
        ("四里路", 2),
        ("30亩", 2),
        ("500公斤", 0.5),
        ("仨孩子", 3),
        ("俩人", 2),
        ("夫妻被困", 2),
        ("雪到膝盖", 0.5),
        ("水到胸口", 1.3),
        ("没过了车", 1.5),
        ("车就露个天线在外头", 1.5),
        ("水里踩不到底", 1.7),
        ("快淹到房顶", 3),
        ("水漫进二层了", 3),
        ("水沒過車頂", 1.5),
        ("小車就剩天線在水上", 1.5),
        ("整层楼高的雪", 3),
        ("人走進雪里就看不见人", 1.7),
        ("三百零八千瓦的机器", 308),
        ("三千人", 3000),
        ("近百人", 100),
    ],
)
def test_a_number_is_read_however_it_is_said(text: str, number: float) -> None:
    assert stated(text).has(number)


@pytest.mark.parametrize(
    ("text", "number"),
    [("150人", 50), ("13912345678", 139), ("积雪1.5米", 5), ("五十人", 5), ("没有人", 0), ("", 0), ("第一小学", 2)],
)
def test_a_number_that_is_not_said_is_not_read(text: str, number: float) -> None:
    assert not stated(text).has(number)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("50人", Count(50, 50)),
        ("30到40人", Count(30, 40)),
        ("十几个人", Count(11, 19)),
        ("10余人", Count(10, 19)),
        ("几十人", Count(20, 99)),
        ("数百人", Count(200, 999)),
        ("上千人", Count(1000, 9999)),
        ("300多人", Count(300, 399)),
        ("二十多个", Count(21, 29)),
        ("一千多户", Count(1000, 1999)),
        ("3万多人", Count(30_000, 39_999)),
        ("1000+人", Count(1000, None)),
        ("几十人", Count(20, None)),
        ("好几个人", Count(2, 9)),
        ("可能没人,也可能有俩", Count(0, 2)),
        ("他说三四十人,又说五十几", Count(30, 59)),
        ("我爸不见了", Count(1, 1)),
        ("有人受伤", Count(1, None)),
    ],
)
def test_a_count_is_read_however_vague(text: str, count: Count) -> None:
    assert stated(text).has_count(count)


@pytest.mark.parametrize(
    ("text", "count"),
    [("50人", Count(60, 60)), ("十几个人", Count(20, 99)), ("有人受伤", Count(3, 3)), ("30到40人", Count(30, 50))],
)
def test_a_count_that_is_not_said_is_not_read(text: str, count: Count) -> None:
    assert not stated(text).has_count(count)


def test_the_longest_numeral_is_read() -> None:
    assert stated("九千九百九十九万九千九百九十九人").has(99_999_999)


def test_all_texts_are_read() -> None:
    known = read_stated(["3辆车", "派7艘冲锋舟至石桥镇"])
    assert known.has(3)
    assert known.has(7)


@pytest.mark.parametrize("text", ["9" * 500 + "多人", "一" + "万" * 500 + "多人"])
def test_what_is_too_long_to_be_a_number_is_none(text: str) -> None:
    assert not stated(text).has_count(Count(10_000, 19_999))


@pytest.mark.parametrize("run", ["9" * 100_000, "一二三" * 100_000, "三百五十" * 100_000, "9" * 100_000 + "多"])
def test_a_run_that_is_far_too_long_states_nothing(run: str) -> None:
    assert stated(f"{run}。水深两米,50多人") == stated("水深两米,50多人")


def test_digits_that_stand_apart_are_read_one_by_one_however_many() -> None:
    assert stated("9 " * 100_000).numbers == {9.0}


@pytest.mark.parametrize("run", ["12345678901234567890", "九千九百九十九万九千九百九十九"])
def test_a_run_as_long_as_numbers_get_is_read(run: str) -> None:
    assert len(stated(run).numbers) == 1


@given(st.integers(2, 9999))
def test_every_numeral_is_read_as_its_number(number: int) -> None:
    assert stated(f"有{to_chinese(number)}人").has(number)


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    read_stated([text])


@pytest.mark.parametrize("said", ["积水都比人还高", "水深得能没过人的头", "水没过头顶了"])
def test_water_over_somebodys_head_states_a_depth(said: str) -> None:
    assert read_stated((said,)).has(1.7)
