"""The reports in the log, where the operator has asked for them. Nothing else writes a word of a report there."""

import logging
from typing import Any

import grpc

from dispatch.server.errors import Context
from dispatch.server.interception import Continuation, Handler, for_each_request

logger = logging.getLogger(__name__)


class ReportLog(grpc.aio.ServerInterceptor):
    """Stands last, behind whatever reads the messages."""

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        return handler and for_each_request(handler, _log)


async def _log(message: Any, context: Context) -> None:
    """A message that holds a report, or a request that does."""
    holder = getattr(message, "request", message)
    report = getattr(holder, "report", "")
    if report:
        logger.info("report: %s", report)
