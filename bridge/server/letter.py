"""What the webhook sends: a call that has ended, signed.

POST URL
Content-Type: application/json
Bridge-Webhook-Id: call_ended-0123…             the same each time that a call is sent
Bridge-Webhook-Timestamp: 1790000000            when it is sent, seconds since 1970
Bridge-Webhook-Signature: v1=89ab…              hex of HMAC-SHA256, keyed with the secret, of
                                                "{id}.{timestamp}.{body}"
{"event": "call_ended", "id": "call_ended-0123…", "call": {…}}
"""

import hashlib
import hmac
import io
import time
from collections.abc import AsyncIterator
from typing import Final

from bridge.server.bites import bites, call_json
from bridge.store.shapes import CallDetail

EVENT: Final = "call_ended"


async def signed(name: str, call: CallDetail, secret: bytes) -> tuple[dict[str, str], io.BytesIO]:
    """Headers and body, as they are sent now."""
    at = str(int(time.time()))
    mac = hmac.new(secret, f"{name}.{at}.".encode(), hashlib.sha256)
    body = io.BytesIO()
    async for bite in bites(_body(name, call)):
        mac.update(bite)
        body.write(bite)
    body.seek(0)
    headers = {
        "Content-Type": "application/json",
        "Bridge-Webhook-Id": name,
        "Bridge-Webhook-Timestamp": at,
        "Bridge-Webhook-Signature": f"v1={mac.hexdigest()}",
    }
    return headers, body


async def _body(name: str, call: CallDetail) -> AsyncIterator[bytes]:
    yield f'{{"event":"{EVENT}","id":"{name}","call":'.encode()
    for part in call_json(call):
        yield part
    yield b"null}}"  # no frames
