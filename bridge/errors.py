"""Everything that can go wrong, sorted by what follows from it.

BridgeError
├── SettingsError   cannot start           → one line on stderr, exit code 2
├── ProtocolError   unreadable frame       → dropped and counted; the call goes on
├── AgentError      the reply failed       → the caller hears an apology; the stream ends
├── ToolError       a tool said no         → the model reads the message; the caller hears its words
└── CallClosed      Millis hung up         → stop quietly
"""

import traceback


class BridgeError(Exception):
    """Anything this project raises on purpose."""


class SettingsError(BridgeError):
    """A setting is missing or wrong. The message is one line that names it and the remedy."""

    def __init__(self, message: str) -> None:
        """Write what no line shows, and what commands a terminal, as an escape."""
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


class ProtocolError(BridgeError):
    """A frame that cannot be used. `reason` is one of a fixed set, fit for a metric's label."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class AgentError(BridgeError):
    """The reply failed. `kind` is one of a fixed set, fit for a metric's label.

    The message may quote a provider: log it only at DEBUG, never say it.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


class ToolError(BridgeError):
    """Raise it in a tool to tell the model, in your own words, why the tool cannot do it.

    The text is written for the model. Any other exception is logged, and the model learns only that
    the tool failed. `maybe_done` says that it may have happened all the same: an equal call is not
    run again then, until the caller has heard of it.
    """

    def __init__(self, text: str = "", *, maybe_done: bool = False) -> None:
        super().__init__(text)
        self.maybe_done = maybe_done


class CallClosed(BridgeError):
    """The other side of the call is gone; there is nobody left to talk to."""


def let_frames_go(error: BaseException | None) -> None:
    """Have an error, and what led to it, forget where it was raised. Log it first.

    The frames there know who keeps the error, so that both would wait for the garbage collector,
    with all that they know: a whole call.
    """
    while error is not None and error.__traceback__ is not None:
        traceback.clear_frames(error.__traceback__)  # a task that failed has it, too
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
