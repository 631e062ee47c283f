"""The console says all that it says in both languages."""

import re
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

import pytest

import dispatch.console
from dispatch.console.texts import CHECKS, ENGLISH_LABELS, TEXTS, Words
from dispatch.domain import Situation, labels
from dispatch.domain.label_names import FIELD_NAMES, name_facts
from dispatch.engine import Overloaded
from dispatch.store import EtagMismatch, LeaseHeld, NotFound, SecondReview, StateConflict
from dispatch.workflow.review import NotAllowed, ReasonRequired

ROOT = Path(__file__).parents[2]
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in Path(dispatch.console.__path__[0]).glob("*.py"))


@pytest.mark.parametrize("key", TEXTS)
def test_a_text_takes_the_same_values_in_both_languages(key: str) -> None:
    fields = [[name for _, name, _, _ in Formatter().parse(text) if name is not None] for text in TEXTS[key]]
    assert len(fields[0]) == len(fields[1])
    assert all(text.strip() for text in TEXTS[key])


def test_every_text_that_is_asked_for_is_there() -> None:
    asked = re.findall(r'words\(\s*"([^"]+)"', SOURCES)
    assert asked
    assert [key for key in asked if key not in TEXTS] == []


def test_every_text_that_is_there_is_asked_for() -> None:
    sources = re.sub(r"^TEXTS: Mapping.*?^}$", "", SOURCES, flags=re.S | re.M)
    whole = set(re.findall(r"[\"']([^\"'\s]+)[\"']", sources))
    begun = tuple(re.findall(r"f[\"']([a-z]+\.(?:by_)?)\{", sources))
    assert [key for key in TEXTS if key not in whole and not key.startswith(begun)] == []


def test_what_is_said_otherwise_in_english_is_a_label() -> None:
    known = {
        *(*labels.KINDS, *labels.HAZARDS, *labels.PEOPLE, *labels.VULNERABLE, *labels.OUTAGES, *labels.NEEDS),
        *(*labels.MEASURES, *labels.FACTS),
    }
    assert set(ENGLISH_LABELS) <= known
    assert [label for label, said in ENGLISH_LABELS.items() if said == label.replace("_", " ")] == []


@pytest.mark.parametrize("field", ["hazards", "vulnerable", "outages", "needs", "not_needed"])
def test_a_reviewer_reads_the_names_that_explanations_give(field: str) -> None:
    for label in FIELD_NAMES[field]:
        (_, explained) = name_facts(Situation.from_dict({"kind": "request", field: [label]})).values()
        assert explained.partition(":")[2] == Words("zh").label(field, label)


def test_every_check_has_a_chinese_name() -> None:
    table = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| ([A-Z_]+) \| (?:info|warning|error)", table, re.M))
    assert documented == set(CHECKS)


def test_a_label_that_is_not_known_is_shown_as_it_is() -> None:
    assert Words("zh").label("hazards", "volcano") == Words("en").label("hazards", "volcano") == "volcano"
    assert Words("zh").label("hazards", "flood") == "洪涝"
    assert Words("zh").label("needs", "water") != Words("zh").label("outages", "water")


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1.0, "0 s"), (59.9, "59 s"), (120.0, "2 min"), (7200.0, "2 h"), (200_000.0, "2 d")]
)
def test_an_age_is_told_in_one_unit(seconds: float, said: str) -> None:
    assert Words("en").age(seconds) == said


def test_a_countdown_has_minutes_and_seconds() -> None:
    assert Words("en").countdown(299.4) == "4:59"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotFound("instructions/1"), "There is no such instruction."),
        (LeaseHeld("instructions/1", "王敏", datetime(2026, 1, 1, tzinfo=UTC)), "It is claimed by 王敏."),
        (EtagMismatch("instructions/1"), "It has changed and was read again: look at it anew."),
        (StateConflict("instructions/1", "approved", "rejected"), "That cannot be done now: rejected"),
        (StateConflict("instructions/1", "approved", "claimed by 王敏", "王敏"), "It is claimed by 王敏."),
        (
            SecondReview("instructions/1", "王敏"),
            "It is back for a second review, for somebody other than you to claim.",
        ),
        (NotAllowed("supervise"), "Your token lacks the scope supervise."),
        (ReasonRequired("approved"), "A reason must be given."),
        (ValueError("text: is empty"), "Not accepted: text: is empty"),
        (Overloaded(2.0), "The service is busy now; try again shortly."),
        (ZeroDivisionError("a defect"), ""),
    ],
)
def test_an_error_is_told_where_a_visitor_can_do_something_about_it(error: Exception, said: str) -> None:
    assert Words("en").of_error(error) == said


def test_an_unknown_language_is_the_default() -> None:
    assert Words("xx").language == "zh"
