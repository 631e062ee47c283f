"""Review: who may decide what about an instruction, what reasons it takes, and what is released by it.

The store sees to one holder and one decision at a time, and to the event of every step (dispatch.store.reviews).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock
from time import monotonic

from dispatch.domain import Check, Context, Doctrine, Order, Plan, Situation, make_plans, parse_orders, run_checks
from dispatch.domain.checks import Candidate
from dispatch.domain.plan import AGENCIES, SPOKEN_ACTIONS
from dispatch.model import normalize, normalize_context
from dispatch.store import (
    Audit,
    AuditEvent,
    Decision,
    EtagMismatch,
    Instruction,
    NotFound,
    Page,
    QueueFilter,
    ReleasedOrder,
    Review,
    Reviews,
    StateConflict,
    Store,
)
from dispatch.workflow.corrections import EXPORTED
from dispatch.workflow.intake import in_original
from dispatch.workflow.masking import mask_instruction, mask_reviews, mask_text
from dispatch.workflow.revising import find_unread, on_one_line, read_revision
from dispatch.workflow.standing import find_withdrawn

MAX_REASON = 500  # characters
REPORTED_STATES = ("issued", "acknowledged", "on_scene", "cancelled")
"""What a dispatch system says of an order; released and recalled are what decisions make of it."""

_DECIDED = ("approved", "revised", "rejected")
_READ_AGAIN_S = 60.0
_MOST_READERS = 10_000  # remembered at a time


class NotAllowed(Exception):
    """Whoever acts lacks a scope."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"this needs the scope {scope}")
        self.scope = scope


class ReasonRequired(ValueError):
    """The step needs a reason; ``checks`` are the findings because of which it does, if any."""

    def __init__(self, step: str, checks: Sequence[Check] = ()) -> None:
        over = f" over {', '.join(dict.fromkeys(check.code for check in checks))}" if checks else ""
        super().__init__(f"reason: must say why it is {step}{over}")
        self.checks = tuple(checks)


@dataclass(frozen=True)
class Reviewer:
    """Who acts, and what they may do."""

    name: str
    """Empty where nobody is asked who they are: then all are one, and no second review is asked of another."""
    scopes: frozenset[str]

    @property
    def reads_personal_data(self) -> bool:
        """Whether contact numbers are shown as they are."""
        return bool(self.scopes & {"review", "audit"})

    def require(self, scope: str) -> None:
        """Raises NotAllowed."""
        if scope not in self.scopes:
            raise NotAllowed(scope)


@dataclass(frozen=True, kw_only=True)
class ReviewConfig:
    """How long a claim holds, and which drafts need a second thought."""

    lease_s: float = 300.0
    low_confidence: float | None = None
    """Below this confidence an approval needs a reason; None: where the bundle's calibration has set LOW_CONFIDENCE."""


class ReviewDesk:
    """All that reviewers, dispatch systems and auditors do. Threads may share one.

    Every method raises NotAllowed where the reviewer lacks a scope, and StoreError where the database fails. Those that
    name an instruction raise NotFound; those that change one also EtagMismatch, StateConflict, LeaseHeld,
    ReasonRequired, and ValueError naming the field whose text cannot be used.
    """

    def __init__(self, store: Store, doctrine: Doctrine, config: ReviewConfig = ReviewConfig()) -> None:
        self.config = config
        self._store = store
        self._doctrine = doctrine
        self._reviews = Reviews(store.database)
        self._audit = Audit(store.database)
        self._reads = _Reads(self._audit)

    def list(self, reviewer: Reviewer, filter: QueueFilter, *, limit: int, token: str = "") -> Page:
        """The queue, the most urgent first, then the oldest; contact numbers are masked for everybody.

        To look for words takes the right to read them: else the numbers could be found out digit by digit. Raises
        ValueError for a token that no page gave.
        """
        reviewer.require("read")
        if filter.text and not reviewer.reads_personal_data:
            raise NotAllowed("review")
        page = self._reviews.queue(filter, limit=limit, token=token)
        return Page([mask_instruction(_as_seen(reviewer, item)) for item in page.instructions], page.next_token)

    def get(self, reviewer: Reviewer, name: str) -> Instruction:
        """One instruction, masked by role; to read it unmasked is an audit event."""
        reviewer.require("read")
        instruction = self._find(name)
        if not reviewer.reads_personal_data:
            return mask_instruction(_as_seen(reviewer, instruction))
        if instruction.claimed_by != reviewer.name or instruction.review_state != "claimed":
            self._reads.note(reviewer.name, name)
        return instruction

    def history(self, reviewer: Reviewer, name: str) -> Sequence[Review]:
        """The decisions about one instruction, oldest first, masked by role."""
        instruction = self.get(reviewer, name)
        decisions = self._reviews.history(instruction.name)
        if reviewer.reads_personal_data:
            return decisions
        # Of what was superseded it is the name of what has its place.
        return mask_reviews([item if item.action == "superseded" else replace(item, text="") for item in decisions])

    def claim(self, reviewer: Reviewer, name: str) -> Instruction:
        """Hold an instruction until the lease expires; its holder renews it so."""
        reviewer.require("review")
        return self._reviews.claim(name, reviewer.name, timedelta(seconds=self.config.lease_s))

    def release(self, reviewer: Reviewer, name: str) -> Instruction:
        """Give a claim back undecided."""
        reviewer.require("review")
        return self._reviews.release(name, reviewer.name)

    def doubts(self, instruction: Instruction) -> Sequence[Check]:
        """The findings over which an approval needs a reason: errors, a low confidence, and orders that are counted as
        issued and were withdrawn since."""
        checks = _checks_in(instruction)
        threshold = self.config.low_confidence
        doubts = [check for check in checks if check.severity == "error"]
        if threshold is None:
            doubts += [check for check in checks if check.code == "LOW_CONFIDENCE" and check not in doubts]
        elif instruction.confidence < threshold:
            message = f"the confidence of {instruction.confidence:.2f} is below {threshold:g}"
            doubts.append(Check("LOW_CONFIDENCE", "warning", message, "instruction"))
        return [*doubts, *find_withdrawn(self._store, instruction, self._doctrine)]

    def approve(self, reviewer: Reviewer, name: str, *, etag: str, reason: str = "") -> Instruction:
        """Release the draft as it stands; one that no model has drafted cannot be."""
        reviewer.require("review")
        instruction = self._find(name)
        if any(check.code == "NO_MODEL" for check in _checks_in(instruction)):
            raise StateConflict(name, "approved", "a report that no model has read")
        _require_reason("approved", reason, self.doubts(instruction))
        orders = self._orders_of_draft(instruction)
        return self._decide(reviewer, Decision(
            name=name, action="approved", reviewer=reviewer.name, etag=etag, reason=reason, orders=orders
        ))  # fmt: skip

    def revise(self, reviewer: Reviewer, name: str, *, etag: str, text: str, reason: str = "") -> Instruction:
        """Release another text, as the model would have written it (NFKC), with the orders that it says."""
        reviewer.require("review")
        instruction = self._find(name)
        revised = read_revision(text)
        if revised == instruction.instruction:
            raise ValueError("text: is the draft as it stands; approve it instead")
        checks = self._check_text(instruction, revised)
        _require_reason("revised", reason, [check for check in checks if check.severity == "error"])
        orders = parse_orders(revised, self._doctrine)
        return self._decide(reviewer, Decision(
            name=name, action="revised", reviewer=reviewer.name, etag=etag, text=revised, reason=reason, orders=orders
        ))  # fmt: skip

    def checks_of(self, name: str, text: str) -> Sequence[Check]:
        """What there is to say about a text in the draft's place; offsets count its own characters."""
        read_revision(text)
        return self._check_text(self._find(name), text)

    def reject(self, reviewer: Reviewer, name: str, *, etag: str, reason: str) -> Instruction:
        """Release nothing."""
        reviewer.require("review")
        _require_reason("rejected", reason)
        return self._decide(
            reviewer, Decision(name=name, action="rejected", reviewer=reviewer.name, etag=etag, reason=reason)
        )

    def return_for_review(self, reviewer: Reviewer, name: str, *, etag: str, reason: str) -> Instruction:
        """Back into the queue; what was released is withdrawn, and whoever had decided cannot decide again.

        What others have decided takes a supervisor.
        """
        reviewer.require("review")
        _require_reason("returned", reason)
        instruction = self._find(name)
        if instruction.etag != etag:  # what is looked at here must be what the step is taken from
            raise EtagMismatch(name)
        if instruction.review_state in _DECIDED and self._decider(name) != reviewer.name:
            reviewer.require("supervise")
        return self._decide(
            reviewer, Decision(name=name, action="returned", reviewer=reviewer.name, etag=etag, reason=reason)
        )

    def recall(self, reviewer: Reviewer, name: str, *, etag: str, reason: str) -> Instruction:
        """Withdraw what was released, with its orders, for good."""
        reviewer.require("supervise")
        _require_reason("recalled", reason)
        return self._decide(
            reviewer, Decision(name=name, action="recalled", reviewer=reviewer.name, etag=etag, reason=reason)
        )

    def supersede(self, reviewer: Reviewer, name: str, *, etag: str, by: str, reason: str) -> Instruction:
        """Have another instruction, ``by``, take its place, whether it was released or not."""
        reviewer.require("supervise")
        _require_reason("superseded", reason)
        if by == name:
            raise ValueError("superseded_by: must be another instruction")
        self._find(by)
        return self._decide(
            reviewer,
            Decision(name=name, action="superseded", reviewer=reviewer.name, etag=etag, text=by, reason=reason),
        )

    def report_order(self, reviewer: Reviewer, order_id: str, state: str) -> ReleasedOrder:
        """Store how far a released order has got; a report that comes twice is taken once."""
        reviewer.require("watch")
        if state not in REPORTED_STATES:
            raise ValueError(f"state: must be one of {', '.join(REPORTED_STATES)}")
        return self._reviews.report_order(order_id, state, reviewer.name)

    def begin_watch(self, reviewer: Reviewer, *, after: int, agency: str) -> None:
        """Record that somebody receives decisions from now on, with all that is released.

        Raises ValueError for an agency that there is not; and for a cursor that no decision has yet: who has it has had
        decisions that this store has lost, and would hear of no other until there are as many.
        """
        reviewer.require("watch")
        if agency not in ("", *AGENCIES):
            raise ValueError(f"agency: must be empty or one of {', '.join(AGENCIES)}")
        if after > (newest := self._reviews.last_cursor()):
            raise ValueError(f"after: the store has {newest} decisions, so {after} is of another or of one now lost")
        self._audit.record("decisions.watched", reviewer.name, "decisions", {"after": after, "agency": agency})

    def decisions(self, reviewer: Reviewer, *, after: int, agency: str = "", limit: int) -> Sequence[Review]:
        """Decisions in the order of their commits, those after a cursor; of one agency, those with orders for it, and
        of their orders its own. What is released stands as it is: crews call the numbers in it."""
        reviewer.require("watch")
        found = self._reviews.decisions(after=after, agency=agency, limit=limit)
        if not reviewer.reads_personal_data:
            found = [replace(decision, reason=mask_text(decision.reason)) for decision in found]
        return [_part_of(agency, decision) for decision in found] if agency else found

    def last_cursor(self, reviewer: Reviewer) -> int:
        """Of the newest decision; 0 where there is none."""
        reviewer.require("watch")
        return self._reviews.last_cursor()

    def begin_export(self, reviewer: Reviewer) -> None:
        """Record that somebody takes the released texts as training pairs."""
        reviewer.require("export")
        self._audit.record(EXPORTED, reviewer.name, "pairs")

    def audit(
        self, reviewer: Reviewer, *, subject: str = "", actor: str = "", after: int = 0, limit: int
    ) -> Sequence[AuditEvent]:
        """Who did what when, the events after a number, in their order."""
        reviewer.require("audit")
        return self._audit.events(after=after, subject=subject, actor=actor, limit=limit)

    def _find(self, name: str) -> Instruction:
        instruction = self._store.get(name)
        if instruction is None:
            raise NotFound(name)
        return instruction

    def _decide(self, reviewer: Reviewer, decision: Decision) -> Instruction:
        return _as_seen(reviewer, self._reviews.decide(decision))

    def _decider(self, name: str) -> str:
        decided = [decision.reviewer for decision in self._reviews.history(name) if decision.action in _DECIDED]
        return decided[-1] if decided else ""

    def _orders_of_draft(self, instruction: Instruction) -> Sequence[Order]:
        """What the draft's text says; where that is doctrine's plan, the plan itself, which knows crews as well."""
        said = parse_orders(normalize(instruction.instruction).text, self._doctrine)
        try:
            plan = [Order.from_dict(order) for order in instruction.plan]
        except ValueError:  # of a version that wrote other orders
            return said
        if [order for order in plan if order.action in SPOKEN_ACTIONS] != said:
            return said
        return [order for order in plan if order.action != "已派" and order.count != 0]

    def _check_text(self, instruction: Instruction, text: str) -> Sequence[Check]:
        """The checks made anew, and of the draft's those that are not about its text."""
        report, typed = normalize(instruction.report), normalize(on_one_line(text))
        context = normalize_context(Context.from_dict(instruction.context))
        situations = _situations_of(instruction)
        plans: tuple[Plan, ...] = make_plans(situations, context, self._doctrine)
        known = _checks_in(instruction)
        truncated = any(check.code == "TRUNCATED_INPUT" for check in known)
        candidate = Candidate(report.text, context, situations, plans, typed.text, truncated)
        found = [*run_checks(candidate, self._doctrine), *find_unread(typed.text, plans, self._doctrine)]
        found += find_withdrawn(self._store, instruction, self._doctrine)
        checks = [in_original(in_original(check, "report", report), "instruction", typed) for check in found]
        kept = [check for check in known if check.target != "instruction" or check.code == "NO_MODEL"]
        checks += [check for check in kept if check not in checks]
        return sorted(checks, key=lambda check: ("error", "warning", "info").index(check.severity))


class _Reads:
    """Records that somebody has read personal data, once a minute for each instruction. Threads may share one."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._lock = Lock()
        self._read_at: dict[tuple[str, str], float] = {}

    def note(self, reader: str, name: str) -> None:
        """Raises StoreError where it cannot be recorded, and then nobody must read it."""
        now = monotonic()
        with self._lock:
            if now - self._read_at.get((reader, name), float("-inf")) < _READ_AGAIN_S:
                return
        self._audit.record("instruction.read", reader, name)
        with self._lock:
            if len(self._read_at) >= _MOST_READERS:
                self._read_at = {key: at for key, at in self._read_at.items() if now - at < _READ_AGAIN_S}
            self._read_at[reader, name] = now


def _as_seen(reviewer: Reviewer, instruction: Instruction) -> Instruction:
    """Without the released text for whoever is no reviewer: dispatch systems get that by the decisions alone."""
    return instruction if reviewer.reads_personal_data else replace(instruction, final_text="")


def _part_of(agency: str, decision: Review) -> Review:
    return replace(decision, orders=tuple(item for item in decision.orders if item.order.agency == agency))


def _require_reason(step: str, reason: str, checks: Sequence[Check] | None = None) -> None:
    """Of a step that needs one always (None), or over some findings."""
    if len(reason) > MAX_REASON:
        raise ValueError(f"reason: must have at most {MAX_REASON} characters, not {len(reason)}")
    if not reason.strip() and (checks is None or checks):
        raise ReasonRequired(step, checks or ())


def _checks_in(instruction: Instruction) -> list[Check]:
    return [Check.from_dict(check) for check in instruction.checks]


def _situations_of(instruction: Instruction) -> tuple[Situation, ...]:
    """None of a version that knew other labels: its texts can still be checked, and decided about."""
    try:
        return tuple(Situation.from_dict(situation) for situation in instruction.situations)
    except ValueError:
        return ()
