from collections import Counter
from dataclasses import replace

import pytest

from dispatch.domain import Count, Situation
from training.corpus import Pair
from training.metrics import METRICS, Accuracy, PairScore, accuracies, numbers_of, score_pair

SITUATION = Situation(location="青石镇", hazards=("flood",), people={"trapped": Count(31, 31)})
PAIR = Pair("青石镇内涝,31人被困", "派3艘冲锋舟至青石镇,通知120派2辆救护车", situations=(SITUATION,))


def wrong_in(instruction: str = PAIR.instruction, situations: tuple[Situation, ...] = (SITUATION,)) -> set[str]:
    """The metrics that an answer to PAIR fails."""
    score = score_pair(PAIR, instruction, situations)
    return {name for name in METRICS if getattr(score, name) is False}


def test_the_expected_answer_is_right_in_everything() -> None:
    assert wrong_in() == set()


@pytest.mark.parametrize(
    ("instruction", "wrong"),
    [
        ("派4艘冲锋舟至青石镇,通知120派2辆救护车", {"instruction", "numbers", "counts"}),
        ("派2艘冲锋舟至青石镇,通知120派3辆救护车", {"instruction", "counts"}),
        ("派3艘冲锋舟至白石镇,通知120派2辆救护车", {"instruction", "place"}),
        ("派3艘橡皮艇至青石镇,通知120派2辆救护车", {"instruction", "resources", "counts"}),
        ("派3艘冲锋舟至青石镇", {"instruction", "numbers", "resources", "counts"}),
        ("", {"instruction", "numbers", "place", "resources", "counts"}),
    ],
)
def test_each_mistake_in_the_instruction_fails_its_own_metrics(instruction: str, wrong: set[str]) -> None:
    assert wrong_in(instruction) == wrong


def test_mistakes_in_the_situation() -> None:
    assert wrong_in(situations=(replace(SITUATION, hazards=()),)) == {"situation"}
    assert wrong_in(situations=(replace(SITUATION, location="白石镇"),)) == {"situation", "place"}
    assert wrong_in(situations=()) == {"situation", "place"}
    assert wrong_in(situations=(SITUATION, SITUATION)) == {"situation"}


def test_a_pair_without_situations_is_judged_by_its_text_alone() -> None:
    score = score_pair(Pair("two dogs", "zwei Hunde 2"), "zwei Hunde 2", ())
    assert score == PairScore(True, True, None, None, None, None)


def test_numbers_count_by_value_and_frequency() -> None:
    assert numbers_of("派3台车,另3台备勤,深0.50米") == Counter({3.0: 2, 0.5: 1})
    assert numbers_of("水深3.0米") == numbers_of("水深3米")


def test_accuracies_leave_out_what_could_not_be_judged() -> None:
    right, unjudged = score_pair(PAIR, PAIR.instruction, (SITUATION,)), PairScore(False, True, None, None, None, None)
    result = accuracies([right, unjudged])
    assert result["instruction"] == Accuracy(right=1, judged=2)
    assert result["situation"] == Accuracy(right=1, judged=1)
    assert result["instruction"].share == 0.5
    assert accuracies([unjudged])["place"].to_dict() == {"accuracy": None, "right": 0, "judged": 0}
