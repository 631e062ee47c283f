"""What the store raises."""


class StoreError(RuntimeError):
    """The database could not do what was asked: not reachable, locked, full, not ours, or of another schema.

    The message holds no password and no report; the database's own error is the cause.
    """


class RequestIdConflict(ValueError):
    """A request_id came again with another body (AIP-155)."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"request_id {request_id!r} was used for another request; choose a new one for a new request")
        self.request_id = request_id
