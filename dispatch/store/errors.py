"""What the store raises."""

from datetime import datetime


class StoreError(RuntimeError):
    """The database could not do what was asked: not reachable, locked, full, not ours, or of another schema.

    The message holds no password and no report; the database's own error is the cause.
    """


class StoreUnavailable(StoreError):
    """The database cannot be reached or written now. Trying again later may help; whether a row that was being
    committed is there is not known, so try under the same request_id or name."""


class RequestIdConflict(ValueError):
    """A request_id came again with another body (AIP-155)."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"request_id {request_id!r} was used for another request; choose a new one for a new request")
        self.request_id = request_id


class NotFound(LookupError):
    """Nothing is stored under the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not in the store")
        self.name = name


class EtagMismatch(ValueError):
    """What is to be changed has changed since it was read (AIP-154)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has changed since it was read; read it again")
        self.name = name


class StateConflict(ValueError):
    """The step cannot be taken from the state that the thing is in, of which ``holder`` has a claim, if anybody."""

    def __init__(self, name: str, step: str, state: str, holder: str = "") -> None:
        super().__init__(f"{name} is {state}, so it cannot be {step}")
        self.name = name
        self.state = state
        self.holder = holder


class SecondReview(StateConflict):
    """The instruction is back for a second review, and whoever would claim it has made the first."""

    def __init__(self, name: str, reviewer: str) -> None:
        super().__init__(name, f"claimed by {reviewer}", f"back for a second review of what {reviewer} decided")


class LeaseHeld(ValueError):
    """Somebody else has claimed the instruction."""

    def __init__(self, name: str, holder: str, until: datetime) -> None:
        super().__init__(f"{name} is claimed by {holder} until {until.isoformat(timespec='seconds')}")
        self.name = name
        self.holder = holder
        self.until = until


class OnHold(ValueError):
    """A legal hold forbids erasing it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is under a legal hold; lift it first")
        self.name = name
