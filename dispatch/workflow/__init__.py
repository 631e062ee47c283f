"""The use cases, once, for gRPC, console, command line and files."""

from dispatch.workflow.intake import MAX_REPORT, PRIORITIES, Intake, IntakeRequest

__all__ = ["MAX_REPORT", "PRIORITIES", "Intake", "IntakeRequest"]
