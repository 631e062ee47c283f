"""Admission: which calls a stopping server still answers, and when all of them are answered."""

import asyncio

from dispatch.server.errors import SHUTTING_DOWN, Context, abort


class Admission:
    """Counts the calls of one service. Of one event loop."""

    def __init__(self) -> None:
        self.closing = asyncio.Event()
        """Set where no more calls are taken; streams without an end of their own end then."""
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def admit(self, context: Context) -> None:
        """Counts a call until its reply is out, which is after the handler has returned; refuses it when stopping."""
        if self.closing.is_set():
            await abort(context, SHUTTING_DOWN)
        self._in_flight += 1
        self._idle.clear()
        context.add_done_callback(self._discount)  # type: ignore[arg-type] # the stubs want a class of their own

    def stop(self) -> None:
        """Refuses calls from now on; what was admitted is answered still."""
        self.closing.set()

    async def drained(self, timeout_s: float) -> None:
        """Returns when every call has been answered, or after the timeout."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            return

    def _discount(self, _context: Context) -> None:
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()
