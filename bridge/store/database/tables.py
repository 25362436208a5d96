"""The tables of the record. docs/record.md draws them; `migrations/` makes them.

Times are whole milliseconds: points in time since 1970 in UTC, everything else from the monotonic
clock, so that a clock that is set does no harm. Texts hold no NUL and no lone surrogate: PostgreSQL
would refuse them.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

SLOW_MS: Final = 2000
"""First words later than this make a call a slow one: the list of those has an index."""

metadata = MetaData()

calls = Table(
    "calls",
    metadata,
    Column("id", String(32), primary_key=True),  # ours: a session may have several connections
    Column("session_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("replica", Text, nullable=False),
    Column("level", String(8), nullable=False),
    # what `start_call` said; seq of the line that told it
    Column("seq", Integer, nullable=False, server_default="0"),
    Column("persona", Text),
    Column("caller", Text),
    Column("called", Text),
    Column("user_id", Text),
    Column("call_sid", Text),
    Column("metadata", JSON(none_as_null=True)),
    Column("continues", Text),  # the earlier session whose memory it began with
    # how it is going; seq of the line that told it
    Column("tally_seq", Integer, nullable=False, server_default="0"),
    Column("ended_at", BigInteger),
    Column("ending", String(16)),
    Column("turns", Integer, nullable=False, server_default="0"),
    Column("interrupted", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("tools", Integer, nullable=False, server_default="0"),
    Column("slowest_ms", Integer, nullable=False, server_default="0"),
    Column("tokens_in", BigInteger, nullable=False, server_default="0"),
    Column("tokens_out", BigInteger, nullable=False, server_default="0"),
    Column("frames_lost", Integer),  # there were too many; null: none
)

turns = Table(
    "turns",
    metadata,
    Column("call_id", String(32), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
    Column("stream_id", Text, nullable=False),
    Column("at_ms", Integer, nullable=False),  # request read, since the start of the call
    Column("place", Integer, nullable=False),  # which of the caller's lines it answers; -1: none
    Column("ahead", Boolean, nullable=False),  # begun before Millis asked
    Column("asked", Text),
    Column("said", Text),
    Column("said_chars", Integer, nullable=False),
    Column("heard", Text),  # as Millis tells it; null while nobody knows
    Column("heard_chars", Integer),  # where it was interrupted, if it was
    Column("outcome", String(16), nullable=False),
    Column("failure", String(32)),
    Column("model", Text),
    Column("tokens_in", Integer),
    Column("tokens_out", Integer),
    Column("messages", JSON(none_as_null=True)),  # the model's own, in order: for `bridge replay`
    # since the request was read; null: there was none
    Column("first_token_ms", Integer),
    Column("first_frame_ms", Integer),
    Column("last_frame_ms", Integer),
    Column("tools_ms", Integer, nullable=False),
)

tool_runs = Table(
    "tool_runs",
    metadata,
    Column("call_id", String(32), primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("at_ms", Integer, nullable=False),  # begun, since the start of the call
    Column("name", Text, nullable=False),
    Column("arguments", JSON(none_as_null=True)),
    Column("policy", Text),
    Column("outcome", String(16)),  # null while it runs, or if the process died under it
    Column("result", Text),
    Column("duration_ms", Integer),
)

frames = Table(
    "frames",
    metadata,
    Column("call_id", String(32), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),  # see store.frames
)

replicas = Table(
    "replicas",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
)

erased = Table(
    "erased",
    metadata,
    Column("call_id", String(32), primary_key=True),
    Column("at", BigInteger, nullable=False),
)

_NEWEST = (calls.c.started_at, calls.c.id)

Index("calls_started", *_NEWEST)
Index("calls_agent", calls.c.agent_id, *_NEWEST)
Index("calls_caller", calls.c.caller, *_NEWEST)
Index("calls_user", calls.c.user_id, *_NEWEST)
Index("calls_session", calls.c.session_id, *_NEWEST)
Index(
    "calls_open",
    calls.c.replica,
    sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)
# Lists of what went wrong, of all agents and of one. They are small, because they are partial.
for _name, _where, _also in (
    ("interrupted", "interrupted > 0", ()),
    ("failed", "failed > 0", ()),
    ("slow", f"slowest_ms >= {SLOW_MS}", (calls.c.slowest_ms,)),
):
    _chosen = text(_where)
    for _index, _first in ((f"calls_{_name}", ()), (f"calls_{_name}_agent", (calls.c.agent_id,))):
        Index(_index, *_first, *_NEWEST, *_also, sqlite_where=_chosen, postgresql_where=_chosen)
