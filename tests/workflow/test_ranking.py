"""Ranking: the checks choose, doctrine corrects arithmetic, and a typed beginning is kept."""

from dispatch.domain import Context, Count, Situation, default_doctrine
from dispatch.engine import Candidate, Generation, GenerationRequest
from dispatch.workflow import Ranked, rank

REPORT = "山区公路积雪3米,断电,50人被困"
SITUATION = Situation(
    location="A7公路",
    hazards=("snow_road",),
    people={"trapped": Count(50, 50)},
    outages=("power",),
    measures={"snow_depth_m": 3.0},
)
RIGHT = "派3台除雪车至A7公路,医疗队随行,协调电力公司恢复供电"


def ranked(*texts: str, prefix: str = "", situations: tuple[Situation, ...] = (SITUATION,)) -> list[Ranked]:
    candidates = tuple(Candidate(text, -float(index), (-0.1,), situations, 0.9) for index, text in enumerate(texts))
    request = GenerationRequest(REPORT, Context("A7公路"), prefix=prefix)
    return rank(request, Generation(candidates), default_doctrine())


def texts_of(entries: list[Ranked]) -> list[str]:
    return [entry.candidate.text for entry in entries]


def test_an_answer_that_follows_doctrine_stays_first_and_alone() -> None:
    assert texts_of(ranked(RIGHT)) == [RIGHT]


def test_wrong_arithmetic_gives_way_to_doctrine_and_stays_visible() -> None:
    wrong = RIGHT.replace("3台", "4台")
    entries = ranked(wrong)
    assert texts_of(entries) == [RIGHT, wrong]
    assert entries[0].candidate.token_scores == ()
    assert entries[0].errors == 0 < entries[1].errors


def test_a_later_candidate_that_follows_doctrine_is_moved_up() -> None:
    wrong = RIGHT.replace(",医疗队随行", "")
    assert texts_of(ranked(wrong, RIGHT)) == [RIGHT, wrong]


def test_an_invented_place_in_the_situation_never_wins_over_a_grounded_one() -> None:
    invented = Situation(**{**vars(SITUATION), "location": "A9公路"})
    candidates = (
        Candidate(RIGHT.replace("A7", "A9"), -0.1, (), (invented,), 0.9),
        Candidate(RIGHT, -0.2, (), (SITUATION,), 0.9),
    )
    entries = rank(GenerationRequest(REPORT, Context("A7公路")), Generation(candidates), default_doctrine())
    assert entries[0].candidate.text == RIGHT


def test_a_typed_beginning_is_kept_and_called_back_about_where_doctrine_knows_no_such_number() -> None:
    typed = RIGHT.replace("3台", "5台")
    assert texts_of(ranked(typed, prefix="派5台除雪车")) == [f"{typed},回拨核实", typed]


def test_without_situations_there_is_nothing_to_correct() -> None:
    assert texts_of(ranked("good evening", situations=())) == ["good evening"]
