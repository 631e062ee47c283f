import math
import sys

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from training.bootstrap import estimate
from training.text_scores import text_scores

EXPECTED = ["the boat goes to the mill at noon", "nobody is at home today", "send two dogs to the bridge"]
ANSWERED = ["the boat goes to the mill at night", "nobody is at home today", "send a dog over the bridge"]


def test_the_scores_of_a_file_are_those_of_sacrebleu() -> None:
    found = estimate(text_scores(EXPECTED, ANSWERED))
    assert found["bleu"].value == pytest.approx(BLEU().corpus_score(ANSWERED, [EXPECTED]).score / 100)
    assert found["chrf"].value == pytest.approx(CHRF().corpus_score(ANSWERED, [EXPECTED]).score / 100)
    for score in found.values():
        assert score.low is not None
        assert score.high is not None
        assert score.low < score.high
        assert score.n == 3


def test_chinese_is_cut_into_characters() -> None:
    expected, answered = ["派两艘船去磨坊接人"], ["派三艘船去磨坊接人"]
    found = estimate(text_scores(expected, answered))
    assert found["bleu"].value == pytest.approx(BLEU(tokenize="zh").corpus_score(answered, [expected]).score / 100)
    assert found["bleu"].value > BLEU().corpus_score(answered, [expected]).score / 100


def test_the_same_texts_score_one() -> None:
    found = estimate(text_scores(EXPECTED, EXPECTED))
    assert [score.value for score in found.values()] == pytest.approx([1, 1])


@pytest.mark.parametrize("text", ["good", "good day", "good day sir", "去", "去吧"])
def test_perfect_answers_score_one_however_short(text: str) -> None:
    for score in estimate(text_scores([text], [text])).values():
        assert (score.value, score.low, score.high, score.n) == (1, 1, 1, 1)


def test_no_score_is_above_one() -> None:
    texts = [" ".join(f"word{number}" for number in range(length)) for length in range(5, 40)]
    for score in estimate(text_scores(texts, texts)).values():
        assert score.value == score.high == 1


def test_a_row_without_an_expected_text_has_no_say() -> None:
    scores = text_scores(["good day to you all", ""], ["good day to you all", ""])
    assert {name: found.n for name, found in estimate(scores).items()} == {"bleu": 1, "chrf": 1}
    for quantity in scores.values():
        assert math.isnan(quantity.of_sums(quantity.rows_NC[1]))


def test_without_sacrebleu_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(ValueError, match="needs sacrebleu: pip install sacrebleu"):
        text_scores(EXPECTED, ANSWERED)
