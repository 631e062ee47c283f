"""Intake: report -> engine -> checks -> stored instruction. The way in for command line and files, one at a time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dispatch.decoding import DecodingCancelled, DecodingConfig
from dispatch.domain import PRIORITIES, Check, Context, Doctrine, default_doctrine
from dispatch.domain.findings import Target
from dispatch.engine import Engine, Generation, GenerationRequest
from dispatch.model import BundleIdentity, Calibration, NormalizedText, normalize
from dispatch.store import Instruction, InstructionStore, RequestIdConflict, body_digest
from dispatch.workflow.confidence import require_known
from dispatch.workflow.due import DueTimes
from dispatch.workflow.duplicates import RecentReports
from dispatch.workflow.ranking import rank

MAX_REPORT = 4000  # characters
MAX_ISSUED = 50
_DEFAULTS = DecodingConfig().to_dict()


@dataclass(frozen=True)
class IntakeRequest:
    """One report as it comes in. ``model`` is the model asked for ("" for the one that serves).

    ``replaces`` names an instruction whose place the answer is to take: it counts neither as issued nor as a duplicate.
    """

    report: str
    context: Context = Context()
    decoding: DecodingConfig = DecodingConfig()
    prefix: str = ""
    request_id: str = ""
    incident_id: str = ""
    priority: str = ""
    model: str = ""
    replaces: str = ""

    @property
    def generation_request(self) -> GenerationRequest:
        """What an engine is asked."""
        return GenerationRequest(self.report, self.context, self.decoding, self.prefix)

    def digest(self) -> str:
        """Identifies what is asked for: a repeat of a request_id must ask for the same.

        An option at its default does not count, so it stays the same when a version adds options.
        """
        options = {name: value for name, value in self.decoding.to_dict().items() if value != _DEFAULTS.get(name)}
        return body_digest(
            report=self.report,
            context=self.context.to_dict(),
            decoding=options,
            prefix=self.prefix,
            incident_id=self.incident_id,
            model=self.model,
            priority=self.priority,
        )


class Intake:
    """Answers reports with one engine and one doctrine; with a store, an answer is committed before it is returned.

    Raises ValueError for an engine whose calibration this version cannot use.
    """

    def __init__(
        self,
        engine: Engine,
        store: InstructionStore | None = None,
        doctrine: Doctrine | None = None,
        due: DueTimes = DueTimes(),
    ) -> None:
        require_known(engine.calibration)
        self.engine = engine
        self.doctrine = doctrine or default_doctrine()
        self._store = store
        self._due = due
        self._recent = RecentReports(store) if store else None

    def submit(self, request: IntakeRequest, should_stop: Callable[[], bool] = lambda: False) -> Instruction:
        """Answers one report.

        Raises ValueError for a bad option or text, RequestIdConflict when the request_id was used for another request,
        StoreError when the answer cannot be stored, DecodingCancelled when ``should_stop()`` turns true.
        """
        return self.submit_all([request], should_stop)[0]

    def submit_all(
        self, requests: Sequence[IntakeRequest], should_stop: Callable[[], bool] = lambda: False
    ) -> list[Instruction]:
        """Answers reports as one batch, in order; a request_id that was answered before gets its first answer.

        Raises what :meth:`submit` raises.
        """
        answers = [self._answered_before(request) for request in requests]
        new = [index for index, answer in enumerate(answers) if answer is None]
        wanted = [requests[index].generation_request for index in new]
        for index, generation in zip(new, self.engine.generate(wanted, lambda _: should_stop()), strict=True):
            if generation is None:
                raise DecodingCancelled
            answers[index] = self._keep(self._draft(requests[index], generation))
        return [answer for answer in answers if answer is not None]

    def _answered_before(self, request: IntakeRequest) -> Instruction | None:
        return find_answer(request, self._store) if self._store else None

    def _draft(self, request: IntakeRequest, generation: Generation) -> Instruction:
        engine = self.engine
        return make_draft(request, request.digest(), generation, engine.identity, engine.calibration, self.doctrine)

    def _keep(self, draft: Instruction) -> Instruction:
        if self._store is None or self._recent is None:
            return draft
        self._recent.refresh()
        stored = self._store.save(self._due.schedule(self._recent.mark(draft)))
        self._recent.add(stored)
        return stored


def find_answer(request: IntakeRequest, store: InstructionStore, principal: str = "") -> Instruction | None:
    """What a principal was answered under the request_id before.

    Raises RequestIdConflict where that was to another request, StoreError where the store cannot be read.
    """
    answer = store.find_request(request.request_id, principal) if request.request_id else None
    if answer is not None and answer.body_digest != request.digest():
        raise RequestIdConflict(request.request_id)
    return answer


def make_draft(
    request: IntakeRequest,
    digest: str,
    generation: Generation,
    identity: BundleIdentity,
    calibration: Calibration | None,
    doctrine: Doctrine,
) -> Instruction:
    """What is to be stored and answered: a model's candidates, ranked and checked.

    ``digest`` is of what the caller sent, beside which the request may hold what was issued for the incident.
    """
    started = time.perf_counter()
    ranked = rank(request.generation_request, generation, doctrine, calibration)
    best, plans = ranked[0].candidate, ranked[0].plans
    checks = list(ranked[0].checks)
    if best.text != generation.candidates[0].text:
        message = f"chosen by the checks; the model's first choice was: {generation.candidates[0].text}"
        checks.append(Check("DOCTRINE_MISMATCH", "info", message, "instruction"))
    report = normalize(request.report)
    return Instruction(
        request_id=request.request_id,
        incident_id=request.incident_id,
        report=request.report,
        context=request.context.to_dict(),
        decoding=request.decoding.to_dict(),
        prefix=request.prefix,
        body_digest=digest,
        instruction=best.text,
        candidates=[
            {"text": candidate.text, "score": candidate.score, "token_scores": list(candidate.token_scores)}
            for candidate in (entry.candidate for entry in ranked)
        ],
        situations=[situation.to_dict() for situation in best.situations],
        plan=[order.to_dict() for plan in plans for order in plan.orders],
        checks=[in_original(check, "report", report).to_dict() for check in checks],
        confidence=ranked[0].confidence,
        model=identity.to_dict(),
        doctrine=doctrine.digest,
        timings={**generation.timings, "check": time.perf_counter() - started},
        priority=_most_urgent([request.priority or PRIORITIES[-1], *(plan.priority for plan in plans)]),
    )


def _most_urgent(priorities: Sequence[str]) -> str:
    """A plan's priority is a floor as the request's is: a priority is only ever raised."""
    return min(priorities, key=PRIORITIES.index)


def in_original(check: Check, target: Target, text: NormalizedText) -> Check:
    """The check, whose offsets into the target count that text's own characters, not those of its normalised form."""
    if check.target != target or check.start == check.end:
        return check
    start, end = text.span(check.start, check.end)
    return replace(check, start=start, end=end)
