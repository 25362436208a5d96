"""The console: pages that `web/` is built into, and what they show, at `/console`."""
