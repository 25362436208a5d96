"""Web and e-mail addresses, said the way one says them on the phone.

A web address that begins with `http://`, `https://` or `www.` becomes its host ("example dot com")
and at most two path segments that are plain words ("slash pricing"); user names, ports, query
strings and fragments are never spoken. An e-mail address becomes "john at example dot com": what
stands before the `@` was forwarded long ago, so it is spoken as written. A bare "example.com" is
left to the voice, which reads it well: to be sure of it, every full stop would have to be held.
"""

import re

from bridge.speech.reader import Hidden, Reader, Verdict
from bridge.speech.spoken import Spoken

LONGEST_URL = 300
_IN_URL = r"A-Za-z0-9\-._~:/?#@!$&'()*+,;=%"
_URL = re.compile(rf"(?:https?://|www\.)[{_IN_URL}]{{0,{LONGEST_URL}}}", re.IGNORECASE)
_URL_MAY_BEGIN = re.compile(r"(?:h|ht|htt|https?|https?:|https?:/|w|ww|www)\Z", re.IGNORECASE)
_REST_OF_URL = Hidden(re.compile(f"(?=[^{_IN_URL}])"), reach=0)
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_SEGMENT = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+){0,3}")
_NOT_IN_HOST = re.compile(r"[^\w.-]")
_EMAIL_HOST = re.compile(r"@[A-Za-z0-9.-]{0,254}")


def url(reader: Reader) -> Verdict:
    """Say a web address, once its end is known."""
    found = _URL.match(reader.source, reader.at)
    if not found:
        return Verdict.WAIT if reader.may_become(_URL_MAY_BEGIN) else Verdict.PASS
    too_long = len(found[0]) >= LONGEST_URL
    if found.end() == len(reader.source) and not reader.final and not too_long:
        return Verdict.WAIT
    address = found[0] if too_long else _without_punctuation(found[0])
    if not say_url(reader.spoken, address):
        return Verdict.PASS
    reader.at += len(address)
    if too_long:
        reader.hidden = _REST_OF_URL
    return Verdict.DONE


def at_sign(reader: Reader) -> Verdict:
    """Say "at", and the host of an e-mail address after it."""
    found = _EMAIL_HOST.match(reader.source, reader.at)
    length = len(found[0]) if found else 1
    if reader.at + length == len(reader.source) and length < 255 and not reader.final:
        return Verdict.WAIT
    host = reader.source[reader.at + 1 : reader.at + length].rstrip(".-")
    if host and reader.char(-1).isalnum():
        reader.at += 1 + len(host)
        reader.spoken.word("at " + _host(host))
    else:
        reader.at += 1
        reader.spoken.word("at")
    return Verdict.DONE


def say_url(spoken: Spoken, address: str) -> bool:
    """Say a whole web address; returns whether there was a host to say."""
    place = re.split(r"[?#]", _SCHEME.sub("", address, count=1), maxsplit=1)[0]
    authority, _, path = place.partition("/")
    host = authority.rpartition("@")[2].partition(":")[0].strip(".")
    if host.lower().startswith("www."):
        host = host[4:]
    if not any(char.isalnum() for char in host):
        return False
    words = [_host(host)]
    for segment in path.split("/")[:2]:
        if len(segment) > 20 or not _SEGMENT.fullmatch(segment):
            break
        words.append("slash " + segment.replace("-", " "))
    spoken.word(" ".join(words))
    return True


def say_email(spoken: Spoken, address: str) -> None:
    """Say a whole e-mail address."""
    name, _, host = address.rpartition("@")
    spoken.word(f"{name} at {_host(host)}")


def _host(host: str) -> str:
    host = _NOT_IN_HOST.sub(" ", host)
    words = host.replace(".", " dot ").replace("-", " dash ").replace("_", " underscore ")
    return " ".join(words.split())


def _without_punctuation(address: str) -> str:
    """Leave out what belongs to the sentence: full stops, emphasis, a bracket opened before it."""
    while address[-1] in ".,;:!?'*_~" or (
        address[-1] == ")" and address.count("(") < address.count(")")
    ):
        address = address[:-1]
    return address
