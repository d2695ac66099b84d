"""Errors of the API: a chain of messages, outermost first."""

ABSENT = "VM is not created"
MISSING = "VM config is missing"
TAKEN = "VM is already created"
OFF = "VM is not running"


class Refusal(Exception):
    """What a call is answered when it fails; the first message stands for the call."""

    def __init__(self, *messages: str, status: int | None = None) -> None:
        super().__init__(messages)
        self.messages = messages
        self.status = status


def status_of(refusal: Refusal, major: int) -> int:
    """The code that a release gives an error."""
    if refusal.status is not None:
        return refusal.status
    words = refusal.messages[-1]
    if major >= 53 and words in (ABSENT, MISSING):
        return 404
    if major >= 54:
        if words.startswith(("No device with id", "Failed to find device")):
            return 404
        if words.endswith("is not unique"):
            return 409
        if "Failed to validate config" in refusal.messages:
            return 400
    return 500
