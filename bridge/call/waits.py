"""How long the caller of one reply waited, and whom they waited for."""

from bridge.call.delivery import Delivery, now


class Waits:
    """The moments of one reply, on the event loop's clock; what comes of them is in seconds.

    Millis asks, the model is asked, it gives its first sign of life, the first word leaves.
    """

    __slots__ = ("_announced_at", "_began", "_delivery", "_model_asked", "_model_began", "_words")

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._began = now()
        self._announced_at: float | None = None
        """When the first text was spoken that is neither the model's own nor a filler."""
        self._model_asked: float | None = None
        """When the model was asked first."""
        self._model_began: float | None = None
        self._words = 0.0
        """When the message with the first word, or the newest before it, gave its own sign."""

    def begin_anew(self) -> None:
        """Millis asks only now for what was begun ahead: what was there before is there at once."""
        self._began = now()

    def model_asked(self) -> None:
        """A model is asked for a message."""
        if self._model_asked is None:
            self._model_asked = now()

    def model_began(self) -> None:
        """A message of the model's has given its first sign of life."""
        began = now()
        if self._model_began is None:
            self._model_began = began
        if self._delivery.first_at is None:
            self._words = began

    def announced(self) -> None:
        """A text of its own is spoken now."""
        if self._announced_at is None:
            self._announced_at = now()

    @property
    def first_word(self) -> float | None:
        """Until the first word of the model's."""
        return self._since_asked(self._delivery.first_at)

    @property
    def first_token(self) -> float | None:
        """Until the model's first sign of life."""
        return self._since_asked(self._model_began)

    @property
    def first_frame(self) -> float | None:
        """Until the first text of any kind but a filler."""
        moments = [at for at in (self._delivery.first_at, self._announced_at) if at is not None]
        return self._since_asked(min(moments, default=None))

    @property
    def last_frame(self) -> float | None:
        """Until the last text."""
        return self._since_asked(self._delivery.last_at if self._delivery.said else None)

    @property
    def own(self) -> float | None:
        """How much of the wait for the first word was neither the model's nor a tool's."""
        first, asked = self._delivery.first_at, self._since_asked(self._model_asked)
        if first is None or asked is None:
            return None
        return asked + first - max(self._words, self._began)

    def _since_asked(self, at: float | None) -> float | None:
        return None if at is None else max(0.0, at - self._began)
