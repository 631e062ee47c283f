"""The use cases, once, for gRPC, console, command line and files."""

from dispatch.workflow.confidence import FEATURES, require_known
from dispatch.workflow.intake import MAX_REPORT, Intake, IntakeRequest
from dispatch.workflow.ranking import Ranked, rank

__all__ = ["FEATURES", "MAX_REPORT", "Intake", "IntakeRequest", "Ranked", "rank", "require_known"]
