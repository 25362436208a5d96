"""Millis's side towards a browser: the protocol of its web SDK, at /local/millis."""
