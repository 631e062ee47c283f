"""The Python client of a Dispatch server, sync and async.

with Client("127.0.0.1:50051") as client:
    answer = client.generate("山区公路积雪3米,断电,50人被困", location="A7公路")
print(answer.instruction)
"""

from dispatch.client.asynchronous import AsyncClient
from dispatch.client.blocking import Client
from dispatch.client.connection import TlsFiles
from dispatch.client.errors import DispatchError, FieldViolation
from dispatch.client.report import Report
from dispatch.client.results import (
    Admitted,
    Answer,
    Candidate,
    Check,
    Count,
    DraftOrder,
    Model,
    ModelIdentity,
    Order,
    Reading,
    Requested,
    ServedModels,
    Situation,
    Stage,
    Translated,
)
from dispatch.client.reviewing import ReviewClient
from dispatch.client.reviews import (
    AuditEvent,
    Decision,
    History,
    InstructionPage,
    ReleasedOrder,
    ReviewedInstruction,
)

__all__ = [
    "Admitted",
    "Answer",
    "AsyncClient",
    "AuditEvent",
    "Candidate",
    "Check",
    "Client",
    "Count",
    "Decision",
    "DispatchError",
    "DraftOrder",
    "FieldViolation",
    "History",
    "InstructionPage",
    "Model",
    "ModelIdentity",
    "Order",
    "Reading",
    "ReleasedOrder",
    "Report",
    "Requested",
    "ReviewClient",
    "ReviewedInstruction",
    "ServedModels",
    "Situation",
    "Stage",
    "TlsFiles",
    "Translated",
]
