"""Changes of doctrine: what reviews keep contradicting, as a change of its YAML that a supervisor signs."""

import difflib
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dispatch.domain import Context, Doctrine, Order, Plan, Situation, make_plans
from dispatch.domain.amendment import RulePlace, with_count, with_rule, without_rule
from dispatch.domain.instruction import parse_orders_by_incident
from dispatch.domain.plan import SPOKEN_ACTIONS
from dispatch.domain.rules import Rule
from dispatch.domain.situation import JsonObject
from dispatch.model import normalize, normalize_context
from dispatch.store import Audit, AuditEvent, Instruction, Store, Tokens
from dispatch.workflow.corrections import RELEASED, released_decisions

LEAST_REVIEWS = 20
LEAST_SHARE = 0.5
SIGNED, APPLIED = "doctrine.signed", "doctrine.applied"
SIGNING_SCOPE = "supervise"
DOCTRINE_SUBJECT = "doctrine"
"""What the audit trail calls what is signed: the last signature counts."""
_NAMES_KEPT = 5

Edit = Callable[[str], str]
"""Doctrine's YAML before and after a change. Raises LookupError or ValueError where it cannot be changed so."""


class NotSigned(ValueError):
    """Nobody who may has signed this proposal."""


@dataclass(frozen=True)
class Change:
    """What reviewers do otherwise than one rule, or than none: ``against`` of ``reviews`` in which it applied.

    ``kind`` is remove, recount or add; ``problem`` says why the YAML cannot be changed so by itself ("" where it is).
    """

    kind: str
    where: str
    order: str
    reviews: int
    against: int
    instructions: tuple[str, ...]
    """Names of some of them."""
    problem: str = ""

    def to_dict(self) -> JsonObject:
        return {**vars(self), "instructions": list(self.instructions)}


@dataclass(frozen=True)
class Proposal:
    """Doctrine's YAML as it is to be, and why."""

    base: str
    """Digest of the doctrine that it changes."""
    text: str
    changes: tuple[Change, ...]

    @property
    def digest(self) -> str:
        """Of the proposed doctrine: what is signed."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def diff(self, current: str) -> str:
        """The change as a unified diff against the YAML in use. Raises ValueError where that is not its base."""
        if hashlib.sha256(current.encode()).hexdigest() != self.base:
            raise ValueError("doctrine has changed since this was proposed: propose it anew")
        lines = difflib.unified_diff(
            current.splitlines(keepends=True), self.text.splitlines(keepends=True), "doctrine.yaml", "proposed"
        )
        return "".join(lines)

    def to_dict(self, current: str) -> JsonObject:
        """JSON-ready, with the diff for people."""
        changes = [change.to_dict() for change in self.changes]
        return {
            "base": self.base,
            "proposed": self.digest,
            "changes": changes,
            "diff": self.diff(current),
            "text": self.text,
        }

    @classmethod
    def read(cls, file: Path, current: str) -> "Proposal":
        """Raises ValueError where the file holds none for the YAML in use, or text or diff were changed in it."""
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            changes = (Change(**{**each, "instructions": tuple(each["instructions"])}) for each in data["changes"])
            proposal = cls(str(data["base"]), str(data["text"]), tuple(changes))
            stated, shown = data["proposed"], data["diff"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file}: not a proposal of `dispatch doctrine propose`: {error}") from error
        if stated != proposal.digest:
            raise ValueError(f"{file}: its text is not the one that was proposed")
        if shown != proposal.diff(current):  # people read the diff, and sign the text
            raise ValueError(f"{file}: the diff in it is not that of its text")
        Doctrine(proposal.text)
        return proposal


@dataclass
class _Evidence:
    """What the reviews say of every rule, and of what none orders."""

    applied: Counter[RulePlace] = field(default_factory=Counter)
    rules: dict[RulePlace, Rule] = field(default_factory=dict)
    dropped: dict[RulePlace, list[str]] = field(default_factory=lambda: defaultdict(list))
    recounted: dict[tuple[RulePlace, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    hazards: Counter[str] = field(default_factory=Counter)
    added: dict[tuple[str, Order], list[str]] = field(default_factory=lambda: defaultdict(list))


def propose_changes(store: Store, doctrine: Doctrine, text: str) -> Proposal:
    """The changes that at least LEAST_REVIEWS releases, and LEAST_SHARE of those that a rule applied to, speak for.

    ``text`` is the YAML of ``doctrine``. What is wrong in one reading is right in the next, so only what reviewers do
    again and again counts. Raises StoreError where the store cannot be read.
    """
    evidence = _Evidence()
    for name in released_decisions(store):
        instruction = store.get(name)
        if instruction is not None and instruction.review_state in RELEASED and instruction.erased_at is None:
            with suppress(ValueError):  # another version of Dispatch has stored it
                _note(evidence, instruction, doctrine)
    changes = []
    changed = text
    for change, edit in (*_recounts(evidence), *_additions(evidence), *_removals(evidence)):
        try:
            edited = edit(changed)
            Doctrine(edited)
        except (LookupError, ValueError) as error:
            changes.append(Change(**{**vars(change), "problem": str(error)}))
            continue
        changes.append(change)
        changed = edited
    return Proposal(doctrine.digest, changed, tuple(changes))


def sign(store: Store, proposal: Proposal, secret: str) -> str:
    """Enters a supervisor's signature of a proposal into the audit chain; returns the supervisor's name.

    Raises NotSigned for a token that is not valid or not a supervisor's, StoreError where it cannot be recorded.
    """
    token = Tokens(store.database).find(secret)
    if token is None or SIGNING_SCOPE not in token.scopes:
        raise NotSigned(f"the token is not valid, or not for the scope {SIGNING_SCOPE}: a supervisor signs")
    details = {"base": proposal.base, "proposed": proposal.digest, "token": token.id, "changes": len(proposal.changes)}
    Audit(store.database).record(SIGNED, token.principal, DOCTRINE_SUBJECT, details)
    return token.principal


def signature(store: Store, proposal: Proposal) -> AuditEvent:
    """The event by which a proposal was signed. Raises NotSigned where there is none, and where it holds no more:
    something was signed after it, or the token that it was signed with has been revoked.
    """
    event = Audit(store.database).latest(DOCTRINE_SUBJECT)
    signed = {"base": proposal.base, "proposed": proposal.digest}
    if event is None or event.action != SIGNED or {name: event.details.get(name) for name in signed} != signed:
        raise NotSigned("nobody has signed this proposal last: `dispatch doctrine sign` it first")
    token = next((each for each in Tokens(store.database).list() if each.id == event.details.get("token")), None)
    if token is None or token.principal != event.actor or SIGNING_SCOPE not in token.scopes:
        raise NotSigned("no supervisor's token stands behind the signature")
    if token.revoked_at is not None:
        raise NotSigned(f"the token of {event.actor} that it was signed with has been revoked: have it signed again")
    return event


def _note(evidence: _Evidence, instruction: Instruction, doctrine: Doctrine) -> None:
    situations = [Situation.from_dict(each) for each in instruction.situations]
    context = normalize_context(Context.from_dict(instruction.context))
    plans = make_plans(situations, context, doctrine)
    parts = parse_orders_by_incident(normalize(instruction.final_text).text, doctrine)
    drafted = Plan(tuple(Order.from_dict(order) for order in instruction.plan), instruction.priority)
    if len(parts) == len(situations):
        for situation, plan, orders in zip(situations, plans, parts, strict=True):
            if situation.kind == "request":
                _note_one(evidence, instruction.name, situation, plan, drafted, orders, doctrine)


def _note_one(
    evidence: _Evidence,
    name: str,
    situation: Situation,
    plan: Plan,
    drafted: Plan,
    orders: Sequence[Order],
    doctrine: Doctrine,
) -> None:
    """What one release says of doctrine's plan of today, as far as the reviewer was shown it in the draft."""
    shown = {(order.item, order.count) for order in drafted.spoken()}
    planned = {order.item: order for order in plan.spoken() if (order.item, order.count) in shown}
    said = {doctrine.resource_name(order.item): order for order in orders}
    for section, label, position, rule in doctrine.rules_for(situation):
        if rule.item not in planned:
            continue  # declined, issued already, or another doctrine's answer
        place = RulePlace(section, label, position)
        evidence.applied[place] += 1
        evidence.rules[place] = rule
        before = planned[rule.item].count
        if rule.item not in said:
            evidence.dropped[place].append(name)
        elif before is not None and (count := said[rule.item].count) not in (None, before):
            evidence.recounted[place, count or 0].append(name)
    evidence.hazards.update(situation.hazards)
    ordered = {order.item for order in (*plan.orders, *drafted.orders)}
    for item, order in said.items():
        if item not in ordered and order.action in SPOKEN_ACTIONS:
            for hazard in situation.hazards:
                evidence.added[hazard, Order(order.agency, order.action, item, order.count)].append(name)


def _enough(against: int, reviews: int) -> bool:
    return against >= LEAST_REVIEWS and against >= LEAST_SHARE * reviews


def _recounts(evidence: _Evidence) -> Iterator[tuple[Change, Edit]]:
    for (place, count), names in evidence.recounted.items():
        rule, reviews = evidence.rules[place], evidence.applied[place]
        if _enough(len(names), reviews):
            kept = tuple(names[:_NAMES_KEPT])
            order = f"{rule.action} {rule.item}: {rule.count} -> {count}"
            yield (
                Change("recount", str(place), order, reviews, len(names), kept),
                partial(_recounted, place, rule, count),
            )


def _additions(evidence: _Evidence) -> Iterator[tuple[Change, Edit]]:
    """Below the hazard that most reviews with the order have; below another what that leaves unexplained."""
    explained: dict[Order, set[str]] = defaultdict(set)
    for (hazard, order), names in sorted(evidence.added.items(), key=lambda each: -len(each[1])):
        new = [name for name in names if name not in explained[order]]
        if _enough(len(names), evidence.hazards[hazard]) and len(new) >= LEAST_REVIEWS:
            explained[order].update(names)
            text = f"{order.action} {order.count or ''}{order.item}"
            kept = tuple(names[:_NAMES_KEPT])
            change = Change("add", f"hazards.{hazard}", text, evidence.hazards[hazard], len(names), kept)
            yield change, partial(_added, hazard, order)


def _removals(evidence: _Evidence) -> Iterator[tuple[Change, Edit]]:
    """The last of a block first: those before it then stand where they stood."""
    for place in sorted(evidence.dropped, key=lambda place: -place.position):
        names, rule, reviews = evidence.dropped[place], evidence.rules[place], evidence.applied[place]
        if _enough(len(names), reviews):
            kept = tuple(names[:_NAMES_KEPT])
            order = f"{rule.action} {rule.item}"
            yield Change("remove", str(place), order, reviews, len(names), kept), partial(_removed, place)


def _recounted(place: RulePlace, rule: Rule, count: int, text: str) -> str:
    if not isinstance(rule.count, int):
        raise ValueError(f"its number is made by {rule.count or 'what is asked for'}: change that by hand")
    return with_count(text, place, count)


def _added(hazard: str, order: Order, text: str) -> str:
    return with_rule(text, "hazards", hazard, order)


def _removed(place: RulePlace, text: str) -> str:
    return without_rule(text, place)
