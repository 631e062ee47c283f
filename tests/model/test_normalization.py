"""Normalisation is NFKC of the cleaned text, and every span leads back to the characters that were typed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.domain import Context
from dispatch.model import normalize, normalize_context

# Characters that compose, reorder, expand or are cleaned, beside any others.
AWKWARD = (
    "e\u0301\u0323\u00e9\u1100\u1161\u11a8각ﾊﾟｶﾞ㎏ﬃ①，：３Ａ　\u0b47\u0b3e"
    "\u200b\u200d\ufeff\u2581\n\t\r\x00\x85\x9f\ud800_ 山路🚒"
)
ANY_CHARACTER = st.characters(exclude_categories=())  # lone surrogates as well
TEXTS = st.text(st.sampled_from(AWKWARD) | ANY_CHARACTER)


def cleaned(text: str) -> str:
    """The documented cleaning, one character at a time."""
    kept = []
    for char in text:
        if char in "\u200b\u200c\u200d\u2060\ufeff":
            continue
        if char in "\t\n\v\f\r\x85":
            kept.append(" ")
        elif unicodedata.category(char) in ("Cc", "Cs"):
            kept.append("\ufffd")
        else:
            kept.append("_" if char == "\u2581" else char)
    return "".join(kept)


@given(TEXTS)
def test_it_is_nfkc_of_the_cleaned_text(text: str) -> None:
    assert normalize(text).text == unicodedata.normalize("NFKC", cleaned(text))


@given(TEXTS)
def test_normalizing_twice_changes_nothing_more(text: str) -> None:
    once = normalize(text).text
    twice = normalize(once)
    assert twice.text == once
    assert list(twice.offsets) == list(range(len(once)))


@given(TEXTS)
def test_every_character_has_an_offset_and_they_never_fall(text: str) -> None:
    normalized = normalize(text)
    assert len(normalized.offsets) == len(normalized.text)
    assert list(normalized.offsets) == sorted(normalized.offsets)
    assert all(0 <= offset < len(text) for offset in normalized.offsets)


@given(TEXTS, st.data())
def test_the_original_of_a_span_normalizes_to_text_around_it(text: str, data: st.DataObject) -> None:
    normalized = normalize(text)
    start = data.draw(st.integers(0, len(normalized.text)))
    end = data.draw(st.integers(start, len(normalized.text)))
    first, last = normalized.span(start, end)
    assert 0 <= first <= last <= len(text)
    if start < end and unicodedata.normalize("NFC", cleaned(text)) == cleaned(text):
        assert normalized.text[start:end] in normalize(text[first:last]).text


@pytest.mark.parametrize(
    ("text", "normalized", "phrase", "original"),
    [
        ("山区公路积雪3米", "山区公路积雪3米", "公路", "公路"),
        ("水深３米，断电", "水深3米,断电", "3米,", "３米，"),
        ("重㎏的车", "重kg的车", "k", "㎏"),
        ("cafe\u0301里", "caf\u00e9里", "\u00e9", "e\u0301"),
        ("ﾊﾟﾄｶｰ来", "パトカー来", "パ", "ﾊﾟ"),
        ("\u1112\u1161\u11ab국", "한국", "한", "\u1112\u1161\u11ab"),
        ("\ufeff一\u200b二三", "一二三", "二", "二"),
        ("第一行\n第二行", "第一行 第二行", " 第", "\n第"),
        ("坏\x00\ud83d字", "坏\ufffd\ufffd字", "字", "字"),
        ("下划\u2581线", "下划_线", "_", "\u2581"),
        ("十🚒辆", "十🚒辆", "🚒", "🚒"),
    ],
)
def test_examples(text: str, normalized: str, phrase: str, original: str) -> None:
    result = normalize(text)
    assert result.text == normalized
    start = result.text.index(phrase)
    first, last = result.span(start, start + len(phrase))
    assert text[first:last] == original


def test_an_empty_span_has_a_place() -> None:
    normalized = normalize("３㎏，")
    assert normalized.span(1, 1) == (1, 1)
    assert normalized.span(4, 4) == (3, 3)
    assert normalize("").span(0, 0) == (0, 0)


def test_a_context_is_normalised_in_all_its_texts() -> None:
    context = Context("Ｓ３０３公路", ("派２艘冲锋舟", "①"))
    assert normalize_context(context) == Context("S303公路", ("派2艘冲锋舟", "1"))
