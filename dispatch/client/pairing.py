"""Which answer of a bulk call belongs to which report."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from dispatch.client.conversion import to_answer
from dispatch.client.errors import DispatchError, error_of_status
from dispatch.client.report import Report
from dispatch.client.results import Translated
from dispatch.v1.dispatch_service_pb2 import TranslateReportsRequest, TranslateReportsResponse


@dataclass(frozen=True)
class _Waiting:
    report: Report
    item_id: str
    problem: str = ""
    """Why it was never sent."""


class Pairing:
    """Keeps reports until their answers come. One thread sends while another receives."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._sent = 0
        self.failure: Exception | None = None
        """What ended the caller's reports."""

    def send(self, report: str | Report) -> TranslateReportsRequest | None:
        """The message for the next report; None for one that cannot be sent, whose error will stand in its place."""
        report = Report(report) if isinstance(report, str) else report
        self._sent += 1
        item_id = str(self._sent)
        try:
            request = report.to_message()
        except ValueError as error:
            self._waiting.append(_Waiting(report, item_id, str(error)))
            return None
        self._waiting.append(_Waiting(report, item_id))  # before the message leaves: the answer may be quick
        return TranslateReportsRequest(item_id=item_id, request=request)

    def receive(self, message: TranslateReportsResponse) -> Iterator[Translated]:
        """The next results. Raises DispatchError where the answer is not that of the next report."""
        yield from self._never_sent()
        if not self._waiting or self._waiting[0].item_id != message.item_id:
            raise DispatchError("INTERNAL", f"the server answered report {message.item_id!r} out of turn")
        report = self._waiting.popleft().report
        if message.status.code:
            yield Translated(report, error=error_of_status(message.status))
        else:
            yield Translated(report, answer=to_answer(message.instruction))

    def finish(self) -> Iterator[Translated]:
        """The last results, when the server has ended the call. Raises what ended the caller's reports, if anything
        did, or DispatchError where reports are without an answer."""
        yield from self._never_sent()
        if self.failure:
            raise self.failure
        if self._waiting:
            raise DispatchError("INTERNAL", f"the server left {len(self._waiting)} reports without an answer")

    def _never_sent(self) -> Iterator[Translated]:
        while self._waiting and self._waiting[0].problem:
            refused = self._waiting.popleft()
            yield Translated(refused.report, error=DispatchError("INVALID_ARGUMENT", refused.problem))
