"""DispatchService: one thread decodes, the event loop stays free for everything else."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from dispatch.server.conversion import to_intake_request, to_response
from dispatch.server.errors import Context, abort, failure_of, invalid_argument
from dispatch.server.validation import find_violations
from dispatch.store import Instruction
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest, GenerateInstructionResponse
from dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceServicer
from dispatch.workflow import Intake, IntakeRequest


class DispatchService(DispatchServiceServicer):
    """Answers by `intake`, whose records are committed when it returns them."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._decoding = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decoding")
        self._closing = threading.Event()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def GenerateInstruction(
        self, request: GenerateInstructionRequest, context: Context
    ) -> GenerateInstructionResponse:
        self._count(context)
        if violations := find_violations(request, self._intake.engine.identity.name):
            named = ", ".join(dict.fromkeys(violation.field for violation in violations[:5]))
            await abort(context, invalid_argument("INVALID_FIELDS", f"the request is not valid: {named}", violations))
        try:
            return to_response(await self._submit(to_intake_request(request)))
        except Exception as error:
            await abort(context, failure_of(error))

    async def drained(self, timeout_s: float) -> None:
        """Returns when every call has been answered, or after the timeout."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            return

    async def close(self) -> None:
        """Stops the work that is left and returns when its thread has ended."""
        self._closing.set()
        await asyncio.to_thread(self._decoding.shutdown, cancel_futures=True)

    async def _submit(self, request: IntakeRequest) -> Instruction:
        """Runs in the decoding thread. gRPC cancels this coroutine when the call is cancelled or its deadline passes,
        but a thread cannot be cancelled: it looks at the flag."""
        left = threading.Event()

        def should_stop() -> bool:
            return left.is_set() or self._closing.is_set()

        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._decoding, self._intake.submit, request, should_stop)
        finally:
            left.set()

    def _count(self, context: Context) -> None:
        """Counts a call until its reply is out, which is after the handler has returned."""
        self._in_flight += 1
        self._idle.clear()
        context.add_done_callback(self._discount)  # type: ignore[arg-type] # the stubs want a class of their own

    def _discount(self, _context: Context) -> None:
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()
