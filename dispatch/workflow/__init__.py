"""The use cases, once, for gRPC, console, command line and files."""

from dispatch.workflow.confidence import FEATURES, require_known
from dispatch.workflow.intake import MAX_ISSUED, MAX_REPORT, Intake, IntakeRequest
from dispatch.workflow.live import Admitted, LiveIntake, Reading
from dispatch.workflow.ranking import Ranked, rank
from dispatch.workflow.review import NotAllowed, ReasonRequired, ReviewConfig, ReviewDesk, Reviewer
from dispatch.workflow.serving import ServingMode
from dispatch.workflow.shadow import ShadowReading

__all__ = [
    "FEATURES",
    "MAX_ISSUED",
    "MAX_REPORT",
    "Admitted",
    "Intake",
    "IntakeRequest",
    "LiveIntake",
    "NotAllowed",
    "Ranked",
    "Reading",
    "ReasonRequired",
    "ReviewConfig",
    "ReviewDesk",
    "Reviewer",
    "ServingMode",
    "ShadowReading",
    "rank",
    "require_known",
]
