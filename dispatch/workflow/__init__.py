"""The use cases, once, for gRPC, console, command line and files."""

from dispatch.workflow.clock import Clock, ClockConfig, Tick, overdue
from dispatch.workflow.confidence import FEATURES, require_known
from dispatch.workflow.due import DueTimes
from dispatch.workflow.intake import MAX_ISSUED, MAX_REPORT, Intake, IntakeRequest
from dispatch.workflow.live import Admitted, LiveIntake, Reading
from dispatch.workflow.merging import MergeProposal, Merging, propose_merges
from dispatch.workflow.ranking import Ranked, rank
from dispatch.workflow.review import NotAllowed, ReasonRequired, ReviewConfig, ReviewDesk, Reviewer
from dispatch.workflow.serving import ServingMode
from dispatch.workflow.shadow import ShadowReading

__all__ = [
    "FEATURES",
    "MAX_ISSUED",
    "MAX_REPORT",
    "Admitted",
    "Clock",
    "ClockConfig",
    "DueTimes",
    "Intake",
    "IntakeRequest",
    "LiveIntake",
    "MergeProposal",
    "Merging",
    "NotAllowed",
    "Ranked",
    "Reading",
    "ReasonRequired",
    "ReviewConfig",
    "ReviewDesk",
    "Reviewer",
    "ServingMode",
    "ShadowReading",
    "Tick",
    "overdue",
    "propose_merges",
    "rank",
    "require_known",
]
