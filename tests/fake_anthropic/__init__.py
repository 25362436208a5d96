"""A fake of Anthropic's Messages API in its own process: see `client.FakeAnthropic`.

Scripts are those of `tests.fake_openai`, spoken on Anthropic's wire: a finish reason becomes a
`message_delta` with the stop reason of that meaning, `done` is `message_stop`, `reasoning` is a
thinking block, `comment` a `ping` event, and `usage` is always there. Besides:

    {"stop_reason": "end_turn"}   the `message_delta` in Anthropic's own words
"""
