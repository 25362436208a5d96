"""A fake OpenAI-compatible server over real HTTP, in its own process: see `client.FakeOpenAI`.

A script says how one request is answered: a list of steps, or `{"say": "some words", "gap_ms": 0}`,
which is one delta per word, a finish reason, usage if asked for, and `[DONE]`. Steps:

    {"text": "…"}                          one delta; other keys of the delta under "delta"
    {"tokens": ["a", "b"], "gap_ms": 10}   a delta each, a gap before each but the first
    {"sleep_ms": n}
    {"tool_call": {"name", "arguments", "id", "index"}, "chunked": k}   arguments in k pieces
    {"reasoning": "…"}                     a reasoning_content delta
    {"data": …}                            one event with this JSON, or this text, as it is
    {"chunk": {…}}                         one completion chunk with these keys
    {"raw": "…"}  {"raw64": "…"}           bytes as they are
    {"comment": "ping"}
    {"finish": "stop"}                     or tool_calls, length, content_filter
    {"usage": true}                        the usage chunk; "asked": only if the request asks
    {"done": true}                         [DONE]
    {"stall": true}                        nothing, until the client leaves; "unanswered": no head
    {"close": true}                        the body ends here, the connection after it
    {"cut": true}                          the connection ends within the body
    {"reset": true}                        the same, with a TCP reset
    {"status": 503, "body": …, "headers": {…}, "gzip": true}   instead of a stream; must be first
    {"headers": {…}}  {"gzip": true}       before anything is sent
    {"html": true}                         a page with status 200

Where a script ends, the body ends, and the connection is kept. Times in records are those of
`time.monotonic()`, which all processes of a machine share.
"""
