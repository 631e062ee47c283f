"""Intake: every answer is planned, checked and stored; a repeated request_id gets its first answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.domain import Context, Count, Situation
from dispatch.engine import Candidate, Generation, GenerationRequest
from dispatch.model import BundleIdentity
from dispatch.store import RequestIdConflict, Store
from dispatch.workflow import Intake, IntakeRequest

REPORT = "山区公路积雪3米,断电,50人被困"
SITUATION = Situation(
    location="A7公路",
    hazards=("snow_road",),
    people={"trapped": Count(50, 50)},
    outages=("power",),
    measures={"snow_depth_m": 3.0},
)
TEXT = "派3台除雪车至A7公路,医疗队随行,协调电力公司恢复供电"


class ScriptedEngine:
    """Answers every report with the same candidate and counts its calls."""

    identity = BundleIdentity("scripted", "0" * 64)
    calibration = None

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.answered = 0

    def generate(
        self, requests: Sequence[GenerationRequest], should_stop: Callable[[int], bool] = lambda index: False
    ) -> list[Generation | None]:
        self.answered += len(requests)
        return [None if should_stop(index) else Generation((self.candidate,)) for index in range(len(requests))]

    def token_count(self, request: GenerationRequest) -> int:
        return len(request.report)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(Candidate(TEXT, -0.1, (-0.1,), (SITUATION,), 0.9))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'dispatch.db'}")
    yield store
    store.close()


def test_the_answer_is_stored_with_its_plan_and_checks(engine: ScriptedEngine, store: Store) -> None:
    answer = Intake(engine, store).submit(IntakeRequest(REPORT, Context("A7公路"), request_id="r1"))
    stored = store.find_request("r1")
    assert stored == answer
    assert answer.instruction == TEXT
    assert answer.plan[0]["item"] == "除雪车"
    assert [check["code"] for check in answer.checks] == ["AMBIGUOUS_PLACE"]
    assert answer.model == {"name": "scripted", "digest": "0" * 64}
    assert answer.review_state == "pending"


def test_a_repeat_gets_the_first_answer_and_no_second_decoding(engine: ScriptedEngine, store: Store) -> None:
    intake, request = Intake(engine, store), IntakeRequest(REPORT, request_id="r1")
    first = intake.submit(request)
    engine.candidate = replace(engine.candidate, text="派9台除雪车至B村")
    assert intake.submit(request) == first
    assert engine.answered == 1


def test_a_request_id_cannot_be_used_for_another_report(engine: ScriptedEngine, store: Store) -> None:
    intake = Intake(engine, store)
    intake.submit(IntakeRequest(REPORT, request_id="r1"))
    with pytest.raises(RequestIdConflict):
        intake.submit(IntakeRequest("发大水了", request_id="r1"))


def test_without_a_store_nothing_is_remembered(engine: ScriptedEngine) -> None:
    intake = Intake(engine)
    assert [answer.name for answer in intake.submit_all([IntakeRequest(REPORT, request_id="r1")] * 2)] == ["", ""]


def test_priority_is_raised_by_the_plan_and_never_lowered(engine: ScriptedEngine) -> None:
    intake = Intake(engine)
    assert intake.submit(IntakeRequest(REPORT)).priority == "紧急"
    assert intake.submit(IntakeRequest(REPORT, priority="一般")).priority == "紧急"
    assert intake.submit(IntakeRequest(REPORT, priority="特急")).priority == "特急"


def test_output_that_could_not_be_read_is_an_error(engine: ScriptedEngine) -> None:
    engine.candidate = Candidate("派", -9.0, (), (), 0.1, fault="no <instruction>")
    codes = {(check["code"], check["severity"]) for check in Intake(engine).submit(IntakeRequest(REPORT)).checks}
    assert ("DOCTRINE_MISMATCH", "error") in codes


def test_spans_count_the_characters_of_the_report_as_it_came(engine: ScriptedEngine) -> None:
    report = "㎞㎞" + REPORT + ",16人失踪"  # each ㎞ is two characters when normalised
    checks = Intake(engine).submit(IntakeRequest(report)).checks
    (unread,) = [check for check in checks if check["code"] == "UNREAD_NUMBER"]
    assert report[unread["start"] : unread["end"]] == "16"
