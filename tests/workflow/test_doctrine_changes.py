"""Changes of doctrine: proposed from what reviews keep doing, and nothing without a supervisor's signature."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.domain import Context, Count, Doctrine, Situation, default_doctrine, make_plans, render_instruction
from dispatch.domain.doctrine import doctrine_file
from dispatch.engine import Candidate, Generation
from dispatch.model import BundleIdentity
from dispatch.store import Audit, Decision, Reviews, Store, Tokens
from dispatch.workflow import IntakeRequest
from dispatch.workflow.doctrine_changes import (
    DOCTRINE_SUBJECT,
    LEAST_REVIEWS,
    SIGNED,
    NotSigned,
    Proposal,
    propose_changes,
    sign,
    signature,
)
from dispatch.workflow.intake import make_draft

DOCTRINE = default_doctrine()
YAML = doctrine_file().read_text(encoding="utf-8")
FIRE = Situation(location="红星小区", hazards=("building_fire",), facts={"smoke": True})
MINUTE = timedelta(minutes=1)

Release = Callable[..., None]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'dispatch.db'}")
    yield opened
    opened.close()


@pytest.fixture
def release(store: Store) -> Release:
    """Releases what a reviewer makes of doctrine's text for a situation, a number of times."""

    def run(situation: Situation, edit: Callable[[str], str], times: int, doctrine: Doctrine = DOCTRINE) -> None:
        reviews = Reviews(store.database)
        text = render_instruction(make_plans([situation], Context(), doctrine))
        for number in range(times):
            request = IntakeRequest(f"{situation.location}起火,第{number}次")
            generation = Generation((Candidate(text, -0.1, (-0.1,), (situation,), 0.9),))
            made = make_draft(request, request.digest(), generation, BundleIdentity("b", "ab12"), None, doctrine)
            name = store.save(replace(made, situations=[situation.to_dict()])).name
            etag = reviews.claim(name, "li", MINUTE).etag
            reviews.decide(Decision(name=name, action="revised", reviewer="li", etag=etag, text=edit(text)))

    return run


def proposed(store: Store) -> Proposal:
    return propose_changes(store, DOCTRINE, YAML)


def test_what_reviewers_add_again_and_again_is_proposed_as_a_rule(store: Store, release: Release) -> None:
    release(FIRE, lambda text: f"{text},到场后回报火势", LEAST_REVIEWS)
    proposal = proposed(store)
    (change,) = proposal.changes
    assert (change.kind, change.where, change.order) == ("add", "hazards.building_fire", "任务 到场后回报火势")
    assert (change.against, change.reviews) == (LEAST_REVIEWS, LEAST_REVIEWS)
    assert Doctrine(proposal.text).hazards["building_fire"][-1].item == "到场后回报火势"
    assert "+    - {task: 到场后回报火势}" in proposal.diff(YAML)


def test_what_they_strike_and_recount_is_proposed_too(store: Store, release: Release) -> None:
    def edit(text: str) -> str:
        return text.replace("1辆排烟车", "2辆排烟车").replace(",关气断电", "")

    assert edit(render_instruction(make_plans([FIRE], Context()))).count("2辆排烟车") == 1
    release(FIRE, edit, LEAST_REVIEWS)
    proposal = proposed(store)
    assert sorted((change.kind, change.problem) for change in proposal.changes) == [("recount", ""), ("remove", "")]
    rules = {rule.item: rule for rule in Doctrine(proposal.text).hazards["building_fire"]}
    assert rules["排烟车"].count == 2
    assert "关气断电" not in rules


def test_a_number_that_a_formula_makes_is_told_and_left_to_a_person(store: Store, release: Release) -> None:
    release(FIRE, lambda text: text.replace("3辆水罐车", "5辆水罐车"), LEAST_REVIEWS)
    proposal = proposed(store)
    (change,) = proposal.changes
    assert change.kind == "recount"
    assert "engines" in change.problem
    assert proposal.text == YAML


@pytest.mark.parametrize(("against", "along"), [(LEAST_REVIEWS - 1, 0), (LEAST_REVIEWS, LEAST_REVIEWS + 1)])
def test_a_habit_of_few_proposes_nothing(store: Store, release: Release, against: int, along: int) -> None:
    release(FIRE, lambda text: f"{text},到场后回报火势", against)
    release(replace(FIRE, people={"trapped": Count(3, 3)}), lambda text: text, along)
    assert proposed(store).changes == ()


def test_what_was_released_under_another_doctrine_contradicts_no_rule_that_came_later(
    store: Store, release: Release
) -> None:
    before = Doctrine(
        YAML.replace("{send: 排烟车, count: 1", "{send: 排烟车, count: 3").replace("    - {task: 关气断电}\n", "")
    )
    text = render_instruction(make_plans([FIRE], Context(), before))
    assert "3辆排烟车" in text
    assert "关气断电" not in text
    release(FIRE, lambda text: text, LEAST_REVIEWS, before)
    assert proposed(store).changes == ()
    release(FIRE, lambda text: text.replace(",关气断电", ""), LEAST_REVIEWS)
    (change,) = proposed(store).changes
    assert (change.kind, change.reviews, change.against) == ("remove", LEAST_REVIEWS, LEAST_REVIEWS)


def test_what_doctrine_said_then_and_says_no_more_was_not_added_by_reviewers(store: Store, release: Release) -> None:
    before = Doctrine(YAML.replace("  building_fire:\n", "  building_fire:\n    - {task: 到场后回报火势}\n"))
    assert "到场后回报火势" in render_instruction(make_plans([FIRE], Context(), before))
    release(FIRE, lambda text: text, LEAST_REVIEWS, before)
    assert proposed(store).changes == ()


def test_what_another_version_has_stored_is_passed_over(store: Store, release: Release) -> None:
    release(FIRE, lambda text: f"{text},到场后回报火势", LEAST_REVIEWS)
    reviews, request = Reviews(store.database), IntakeRequest("龙卷风")
    generation = Generation((Candidate("派", -0.1, (-0.1,), (FIRE,), 0.9),))
    made = make_draft(request, request.digest(), generation, BundleIdentity("b", "ab12"), None, DOCTRINE)
    name = store.save(replace(made, situations=[{"kind": "request", "hazards": ["tornado"]}])).name
    etag = reviews.claim(name, "li", MINUTE).etag
    reviews.decide(Decision(name=name, action="approved", reviewer="li", etag=etag))
    assert len(proposed(store).changes) == 1


def test_a_proposal_survives_its_file_and_not_a_change_of_it(store: Store, release: Release, tmp_path: Path) -> None:
    release(FIRE, lambda text: f"{text},到场后回报火势", LEAST_REVIEWS)
    proposal, file = proposed(store), tmp_path / "proposal.json"
    data = proposal.to_dict(YAML)
    file.write_text(json.dumps(data), encoding="utf-8")
    assert Proposal.read(file, YAML) == proposal
    file.write_text(json.dumps({**data, "text": data["text"].replace("回报火势", "撤离")}), encoding="utf-8")
    with pytest.raises(ValueError, match="not the one that was proposed"):
        Proposal.read(file, YAML)
    file.write_text(json.dumps({**data, "diff": data["diff"].replace("回报火势", "撤离")}), encoding="utf-8")
    with pytest.raises(ValueError, match="the diff in it is not that of its text"):
        Proposal.read(file, YAML)
    with pytest.raises(ValueError, match="propose it anew"):
        proposal.diff(YAML + "# changed\n")


def test_a_supervisors_signature_is_an_event_of_the_chain(store: Store) -> None:
    proposal = Proposal(DOCTRINE.digest, YAML + "# signed\n", ())
    with pytest.raises(NotSigned, match="nobody"):
        signature(store, proposal)
    tokens = Tokens(store.database)
    reviewer, _ = tokens.create("li", {"review", "read"})
    for secret in (reviewer, "made up"):
        with pytest.raises(NotSigned, match="supervise"):
            sign(store, proposal, secret)
    supervisor, token = tokens.create("zhou", {"review", "supervise"})
    assert sign(store, proposal, supervisor) == "zhou"
    event = signature(store, proposal)
    assert (event.actor, event.details["proposed"]) == ("zhou", proposal.digest)
    assert Audit(store.database).verify().faults == ()
    for other in (replace(proposal, text=YAML), replace(proposal, base="another")):
        with pytest.raises(NotSigned):
            signature(store, other)
    tokens.revoke(token.id)
    with pytest.raises(NotSigned, match="revoked"):
        signature(store, proposal)


def test_a_signature_holds_until_the_next_one(store: Store) -> None:
    secret, _ = Tokens(store.database).create("zhou", {"supervise"})
    changed = Proposal(DOCTRINE.digest, YAML + "# changed\n", ())
    taken_back = Proposal(changed.digest, YAML, ())
    sign(store, changed, secret)
    sign(store, taken_back, secret)
    assert signature(store, taken_back).actor == "zhou"
    with pytest.raises(NotSigned):  # doctrine is what it was proposed for, and it was taken back
        signature(store, changed)


def test_an_event_that_no_supervisors_token_stands_behind_is_no_signature(store: Store) -> None:
    proposal = Proposal(DOCTRINE.digest, YAML + "# signed\n", ())
    _, token = Tokens(store.database).create("li", {"review"})
    details = {"base": proposal.base, "proposed": proposal.digest, "token": token.id}
    for actor, known in (("zhou", details), ("li", details), ("li", {**details, "token": "none"})):
        Audit(store.database).record(SIGNED, actor, DOCTRINE_SUBJECT, known)
        with pytest.raises(NotSigned):
            signature(store, proposal)
