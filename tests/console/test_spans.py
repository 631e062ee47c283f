from hypothesis import given
from hypothesis import strategies as st

from dispatch.console.spans import Mark, Segment, cut

TEXTS = st.text(max_size=30)
MARKS = st.lists(st.builds(Mark, st.sampled_from("abc"), st.integers(-3, 40), st.integers(-3, 40)), max_size=6)


def test_a_text_is_cut_where_marks_begin_and_end() -> None:
    segments = cut("水深1.5米,16人被困", [Mark("a", 2, 6), Mark("b", 0, 6), Mark("c", 7, 10)])
    assert segments == [
        Segment("水深", ("b",)),
        Segment("1.5米", ("a", "b")),
        Segment(",", ()),
        Segment("16人", ("c",)),
        Segment("被困", ()),
    ]


@given(TEXTS, MARKS)
def test_segments_joined_are_the_text(text: str, marks: list[Mark]) -> None:
    assert "".join(segment.text for segment in cut(text, marks)) == text


@given(TEXTS, MARKS)
def test_each_character_has_the_labels_of_the_marks_upon_it(text: str, marks: list[Mark]) -> None:
    at = 0
    for segment in cut(text, marks):
        for _ in segment.text:
            assert set(segment.labels) == {mark.label for mark in marks if mark.start <= at < mark.end}
            at += 1
