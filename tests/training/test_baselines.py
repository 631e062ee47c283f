import pytest

from dispatch.domain import Context, Situation
from training.baselines import BASELINES
from training.corpus import Pair
from training.labelled import LabelledReport

FLOOD = Situation(location="石桥镇（东）", hazards=("flood",), needs=("rescue",))
PAIR = Pair("石桥镇（东）被淹,快来人", "派2艘冲锋舟", Context("老林场", ("派1艘冲锋舟至石桥镇(东)",)), (FLOOD,))


def test_gold_is_the_situations_with_what_doctrine_says_to_them() -> None:
    (candidate,) = BASELINES["gold"](PAIR).candidates
    assert candidate.situations == (Situation(location="石桥镇(东)", hazards=("flood",), needs=("rescue",)),)
    assert candidate.text.startswith("派1艘冲锋舟至石桥镇(东)")  # one of two is issued already
    report = LabelledReport("own", PAIR.report, PAIR.context, (FLOOD,))
    assert BASELINES["gold"](report) == BASELINES["gold"](PAIR)


def test_gold_without_situations_is_the_expected_text() -> None:
    (candidate,) = BASELINES["gold"](Pair("guten tag", "good day（x）")).candidates
    assert (candidate.text, candidate.situations) == ("good day(x)", ())


@pytest.mark.parametrize(("context", "place"), [(Context("老林场"), "老林场"), (Context(), "待核实地点")])
def test_request_answers_the_same_to_everything(context: Context, place: str) -> None:
    (candidate,) = BASELINES["request"](Pair("着火了", "x", context)).candidates
    assert BASELINES["request"](Pair("谢谢你们", "y", context)).candidates == (candidate,)
    assert candidate.situations == (Situation(location=context.location),)
    assert place in candidate.text


def test_copy_answers_the_report() -> None:
    (candidate,) = BASELINES["copy"](PAIR).candidates
    assert candidate.text == "石桥镇(东)被淹,快来人"
    assert candidate.situations == (Situation(location=candidate.text),)
