"""What can go wrong inside an action, and what OpenWhisk is told of it.

    PixwhiskError
    ├── Rejected                the image is at fault: one `rejected` outcome, the other records go on
    │   ├── UnsupportedFormat   unsupported-format
    │   ├── CorruptImage        corrupt-image
    │   ├── TruncatedImage      truncated-image
    │   ├── EmptyObject         empty-object
    │   ├── TooManyBytes        too-many-bytes
    │   ├── TooManyPixels       too-many-pixels
    │   ├── NeedsMemory         needs-memory           no outcome yet: `sweep` has `classify-large` look at it
    │   ├── ObjectGone          object-gone
    │   ├── ObjectChanged       object-changed
    │   ├── ObjectUnreadable    object-unreadable
    │   └── BadEvent            bad-event
    └── ActionError             the call or a service is at fault: the whole activation is an error
        ├── BadRequest              bad-request               trying again cannot help
        ├── BadSettings             bad-settings              trying again cannot help
        ├── ObjectStoreUnreachable  object-store-unreachable  retryable
        ├── ObjectStoreRefused      object-store-refused      retryable: credentials may be restored
        ├── DatabaseUnavailable     database-unavailable      retryable
        └── UnexpectedFailure       internal-error            retryable: a fault of ours; the log has the traceback

Messages are written for whoever reads the row or the activation: they say what to do next and never hold a secret.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self


class PixwhiskError(Exception):
    """Base of everything an action raises on purpose."""

    code: ClassVar[str]


class Rejected(PixwhiskError):
    """The object cannot be classified, now or later; `code` is the outcome's `reason`."""

    def without_traceback(self) -> Self:
        """Itself, to be kept as a result.

        The frames it came through know whoever keeps it, so that half-decoded pictures among their variables would
        stay until the collector comes by.
        """
        self.__traceback__ = self.__context__ = None
        return self


class UnsupportedFormat(Rejected):
    code = "unsupported-format"


class CorruptImage(Rejected):
    code = "corrupt-image"


class TruncatedImage(Rejected):
    """The file was cut off: its beginning is good, its end is missing."""

    code = "truncated-image"


class EmptyObject(Rejected):
    code = "empty-object"


class TooManyBytes(Rejected):
    code = "too-many-bytes"


class TooManyPixels(Rejected):
    code = "too-many-pixels"


class NeedsMemory(Rejected):
    """Only this container's memory prevents it: it is work for `classify-large`, and no outcome is stored."""

    code = "needs-memory"


class ObjectGone(Rejected):
    """`delete_marker`: one is there in its place."""

    code = "object-gone"

    def __init__(self, message: str, *, delete_marker: bool = False) -> None:
        super().__init__(message)
        self.delete_marker = delete_marker


class ObjectChanged(Rejected):
    code = "object-changed"


class ObjectUnreadable(Rejected):
    """It is there, but nobody without a key of its owner's, or something else that is the object's own, can read it."""

    code = "object-unreadable"


class BadEvent(Rejected):
    """One record of an event cannot be read; the message names the field."""

    code = "bad-event"


class ActionError(PixwhiskError):
    """The activation as a whole failed; `retryable` says whether the same call may succeed later."""

    retryable: ClassVar[bool]


class BadRequest(ActionError):
    code = "bad-request"
    retryable = False


class BadSettings(ActionError):
    code = "bad-settings"
    retryable = False


class ObjectStoreUnreachable(ActionError):
    code = "object-store-unreachable"
    retryable = True


class ObjectStoreRefused(ActionError):
    code = "object-store-refused"
    retryable = True


class DatabaseUnavailable(ActionError):
    code = "database-unavailable"
    retryable = True


class UnexpectedFailure(ActionError):
    """What a process boundary makes of an exception nobody foresaw."""

    code = "internal-error"
    retryable = True


def error_result(error: ActionError) -> dict[str, Any]:
    """The action result that OpenWhisk records as an application error."""
    return {"error": {"code": error.code, "message": str(error), "retryable": error.retryable}}
