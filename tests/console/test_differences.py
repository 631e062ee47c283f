import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.console import differences
from dispatch.console.differences import Change, changes

TEXTS = st.text("派除雪车3台至A7公路,", max_size=40)


def test_an_edit_is_told_character_by_character() -> None:
    assert changes("派3台除雪车", "派2台除雪车,注意安全") == [
        Change("same", "派"),
        Change("removed", "3"),
        Change("added", "2"),
        Change("same", "台除雪车"),
        Change("added", ",注意安全"),
    ]


@given(TEXTS, TEXTS)
def test_without_what_was_added_it_is_the_old_text_and_without_what_was_removed_the_new(old: str, new: str) -> None:
    found = changes(old, new)
    assert "".join(change.text for change in found if change.kind != "added") == old
    assert "".join(change.text for change in found if change.kind != "removed") == new


@given(TEXTS)
def test_a_text_that_was_not_edited_has_no_changes(text: str) -> None:
    assert all(change.kind == "same" for change in changes(text, text))


def test_long_texts_that_repeat_themselves_are_told_as_replaced_and_never_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, new = "一二" * 1000, "三" + "一一二" * 600 + "三"  # minutes, compared
    monkeypatch.setattr(differences, "SequenceMatcher", None)
    assert changes(old, new) == [Change("removed", old), Change("added", new)]


def test_a_long_text_that_is_edited_at_both_ends_is_still_told_character_by_character() -> None:
    text = "".join(chr(0x4E00 + at % 500) for at in range(4000))
    found = changes(text, f"急{text[1:-1]}急")
    assert [change for change in found if change.kind != "same"] == [
        Change("removed", text[0]), Change("added", "急"), Change("removed", text[-1]), Change("added", "急")
    ]  # fmt: skip
