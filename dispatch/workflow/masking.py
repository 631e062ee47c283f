"""Masking: people's telephone and other contact numbers, for those who have no need to read them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from dispatch.model import normalize
from dispatch.store import Instruction, Review

_HEAD, _TAIL = 3, 4  # digits that stay: enough to tell two numbers apart, too few to call one

_SPOKEN = "零〇幺一二两三四五六七八九洞拐勾"
_GAP = "[ ./~·•—–_-]{1,3}"  # between the groups of a number, as people write it
_NUMBERS = re.compile(
    "|".join(
        (
            r"(?P<kept>instructions/[0-9a-f]{32})",
            r"(?<!\d)(?:(?:00)?86[ -]?)?1[ -]?[3-9](?:[ -]?\d){9}(?!\d)",  # mobile, in groups of any length
            rf"(?<!\d)(?:(?:00)?86[ -]?)?1[3-9]\d{_GAP}\d{{4}}{_GAP}\d{{4}}(?!\d)",  # in the usual ones
            r"(?<!\d)0[1-9]\d{1,2}\)?[ -]{0,2}\d{3,4}[ -]?\d{4}(?!\d)",  # of the fixed network
            r"(?<!\d)\d{17}[\dXx](?![0-9A-Za-z])",  # of an identity card
            r"(?<!\d)[48]00[ -]?\d{3}[ -]?\d{4}(?!\d)",
            r"(?<![0-9A-Za-z.])\d{7,}(?![0-9A-Za-z])",  # without an area code, of a chat
            rf"[{_SPOKEN}](?:[ -]?[{_SPOKEN}]){{6,}}",
        )
    ),
    re.ASCII,
)
_OF_INSTRUCTION = (
    *("report", "context", "prefix", "instruction", "candidates", "situations", "plan", "checks", "final_text"),
)

T = TypeVar("T")


def mask_text(text: str) -> str:
    """The text with the middle of each contact number as stars: 138****5678. It stays as long, so that spans hold."""
    readable = normalize(text)
    characters = list(text)
    for digits in contact_digits(readable.text):
        for at in digits[_HEAD:-_TAIL] or digits[:-_TAIL]:
            start, end = readable.span(at, at + 1)
            characters[start:end] = "*" * (end - start)
    return "".join(characters)


def contact_digits(text: str) -> Iterator[list[int]]:
    """Where the digits of each contact number stand in a normalised text, be they spoken (幺三八)."""
    for match in _NUMBERS.finditer(text):
        if not match["kept"]:
            yield [at for at in range(*match.span()) if text[at].isdigit() or text[at] in _SPOKEN]


def mask_value(value: T) -> T:
    """A JSON value with each text in it masked; keys and numbers stay."""
    masked: Any = value
    if isinstance(value, str):
        masked = mask_text(value)
    elif isinstance(value, dict):
        masked = {key: mask_value(item) for key, item in value.items()}
    elif isinstance(value, list):
        masked = [mask_value(item) for item in value]
    return masked  # type: ignore[no-any-return] # of the value's own type


def mask_instruction(instruction: Instruction) -> Instruction:
    """The record with contact numbers masked."""
    return replace(instruction, **{name: mask_value(getattr(instruction, name)) for name in _OF_INSTRUCTION})


def mask_reviews(reviews: Sequence[Review]) -> list[Review]:
    """Decisions with contact numbers masked, in their orders too."""
    return [
        replace(
            review,
            reason=mask_text(review.reason),
            text=mask_text(review.text),
            orders=tuple(
                replace(
                    item,
                    order=replace(item.order, item=mask_text(item.order.item), place=mask_text(item.order.place)),
                )
                for item in review.orders
            ),
        )
        for review in reviews
    ]
