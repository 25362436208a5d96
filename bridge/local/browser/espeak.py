"""espeak-ng speaks: a library of C, which the package espeakng-loader brings with its voices.

It is under GPL-3, so it is an extra (`voice`) and nothing is linked: it is loaded when the first
page calls. It keeps its state in globals, so one thread at a time may use it, and the process has
one of it. The types and numbers here are those of its header, speak_lib.h.
"""

import asyncio
import ctypes
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from bridge.local.browser.voice import RATE, SAMPLE, Speech, VoiceFailed
from bridge.local.playback import word_places

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT: Final = "en-us"
"""What it speaks if a page asks for no language, or for one that it does not have."""

_SYNCHRONOUS, _NO_EXIT, _UTF8, _CHARACTERS = 2, 0x8000, 1, 1
_WORD, _LAST = 1, 0
_GAIN: Final = 0.49
"""What is loudest comes to just below half scale: the page plays at twice that (protocol.md §2)."""
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8}){0,3}")
_LOCK: Final = threading.Lock()
"""The library's globals are the process's, whoever loaded it."""


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # in characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """One thread that speaks; `close` it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._library: Any = None
        self._rate = 0

    @staticmethod
    def is_there() -> bool:
        """Whether the extra `voice` is installed."""
        return all(find_spec(name) for name in ("espeakng_loader", "soxr"))

    async def speech(self, text: str, language: str = DEFAULT) -> Speech:
        """Speak a text, as sound at the rate of the page's.

        Raises:
            VoiceFailed: the library will not.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._speak, text, language)

    def close(self) -> None:
        """End the thread, when it has done what it is doing."""
        self._thread.shutdown(cancel_futures=True)

    # ── in the thread ────────────────────────────────────────────────────────────────────────────

    def _speak(self, text: str, language: str) -> Speech:
        with _LOCK:
            if self._library is None:
                self._load()
            self._choose(language)
            pcm, starts = self._synthesise(text)
        sound = _resampled(pcm, self._rate)
        length = len(sound) / (RATE * SAMPLE)
        return Speech(sound, _ends(text, starts, length))

    def _load(self) -> None:
        import espeakng_loader  # noqa: PLC0415 - an extra

        try:
            library = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise VoiceFailed(f"espeak-ng does not load: {error}") from error
        library.espeak_Synth.argtypes = (
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
            *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        )
        voices = espeakng_loader.get_data_path().encode()
        self._rate = library.espeak_Initialize(_SYNCHRONOUS, 0, voices, _NO_EXIT)
        if self._rate <= 0:
            raise VoiceFailed("espeak-ng does not start: install millis-bridge[voice] again")
        self._library = library

    def _choose(self, language: str) -> None:
        """Take the voice of a language, wherever it is spoken, or the default one.

        Each time: whoever else uses the library may have taken another meanwhile.
        """
        wanted = language.lower().replace("_", "-")
        names = [wanted, wanted.partition("-")[0]] if _LANGUAGE.fullmatch(wanted) else []
        for name in (*names, DEFAULT):
            if self._library.espeak_SetVoiceByName(name.encode()) == 0:
                return

    def _synthesise(self, text: str) -> "tuple[bytes, list[tuple[int, float]]]":
        """Speak: the samples, and where words begin in the text and, in seconds, in the sound."""
        pcm, starts = bytearray(), list[tuple[int, float]]()

        def take(samples: Any, count: int, events: Any) -> int:
            if count > 0:
                pcm.extend(ctypes.string_at(samples, count * SAMPLE))
            number = 0
            while events[number].type != _LAST:
                event = events[number]
                if event.type == _WORD:
                    starts.append((event.text_position - 1, event.audio_position / 1000))
                number += 1
            return 0

        callback = _Callback(take)  # kept for as long as it may be called
        self._library.espeak_SetSynthCallback(callback)
        said = text.replace("\0", " ").encode("utf-8", "replace")
        size = len(said) + 1
        if self._library.espeak_Synth(said, size, 0, _CHARACTERS, 0, _UTF8, None, None) != 0:
            raise VoiceFailed("espeak-ng cannot speak this")
        return bytes(pcm), starts


def _resampled(pcm: bytes, rate: int) -> bytes:
    """The same at the page's rate, and half as loud."""
    import numpy as np  # noqa: PLC0415 - of the extra, and slow to import
    import soxr  # noqa: PLC0415

    samples = np.frombuffer(pcm, dtype="<i2")
    if not len(samples):
        return b""
    sound = soxr.resample(samples, rate, RATE)
    return bytes((sound * _GAIN).astype("<i2").tobytes())


def _ends(text: str, starts: "Sequence[tuple[int, float]]", length: float) -> list[float]:
    """When each word ends: when the next one begins, as far as the library says when that is."""
    places = word_places(text)
    ends = []
    for begin, _ in places[1:]:
        after = [at for place, at in starts if place >= begin]
        ends.append(min(after[0] if after else length, length))
    return [*ends, length] if places else []
