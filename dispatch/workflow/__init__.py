"""The use cases, once, for gRPC, console, command line and files."""

from dispatch.workflow.intake import MAX_REPORT, PRIORITIES, Intake, IntakeRequest
from dispatch.workflow.ranking import Ranked, rank

__all__ = ["MAX_REPORT", "PRIORITIES", "Intake", "IntakeRequest", "Ranked", "rank"]
