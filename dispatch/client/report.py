"""What is asked of a server."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dispatch.v1 import types_pb2
from dispatch.v1.dispatch_service_pb2 import GenerateInstructionRequest

if TYPE_CHECKING:
    from dispatch.decoding import DecodingConfig  # at run time it would load torch

MAX_BYTES = 4_000_000  # gRPC's servers end the call at 4 MiB, and in bulk that would be the call of all reports


@dataclass(frozen=True)
class Report:
    """A distress report, what is known beside it, and how it is to be answered."""

    text: str
    location: str = ""
    """The caller's place, as the phone or the cell gives it."""
    issued: Sequence[str] = ()
    """Instructions already issued for the incident, oldest first; those that the server knows need not be given."""
    request_id: str = ""
    """Makes the report safe to send again: the same id gets the stored answer. Without one it gets one."""
    incident_id: str = ""
    """Your own name for the incident."""
    decoding: "DecodingConfig | None" = None
    """How to search; None leaves it to the server."""
    prefix: str = ""
    """Text with which the instruction must begin."""
    model: str = ""
    """Label, name or digest of the model that must answer; empty leaves it to the server."""
    priority: str = ""
    """The least priority: 特急, 紧急 or 一般; empty leaves it to doctrine."""

    def to_message(self) -> GenerateInstructionRequest:
        """Raises ValueError where the texts are not Unicode, or larger than a call can carry."""
        options = asdict(self.decoding) if self.decoding else {}
        strategy = f"DECODING_STRATEGY_{options.pop('strategy', 'unspecified').upper()}"
        message = GenerateInstructionRequest(
            request_id=self.request_id or uuid.uuid4().hex,
            incident_id=self.incident_id,
            report=self.text,
            context=types_pb2.Context(location=self.location, issued=self.issued),
            decoding=types_pb2.Decoding(
                strategy=types_pb2.DecodingStrategy.Value(strategy), prefix=self.prefix, **options
            ),
            model=self.model,
            priority=self.priority,
        )
        if message.ByteSize() > MAX_BYTES:
            raise ValueError(f"the report and its context are larger than the {MAX_BYTES} bytes that a call can carry")
        return message
