"""Calls, their turns, tools and frames.

What a revision does never changes once it is out, so it imports nothing of the tables' newest form.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NEWEST = ["started_at", "id"]


def upgrade() -> None:
    """Make all tables."""
    _calls()
    _turns()
    _tools_and_frames()
    op.create_table(
        "replicas",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "erased",
        sa.Column("call_id", sa.String(32), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("replica", sa.Text(), nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        _count("seq"),
        sa.Column("persona", sa.Text()),
        sa.Column("caller", sa.Text()),
        sa.Column("called", sa.Text()),
        sa.Column("user_id", sa.Text()),
        sa.Column("call_sid", sa.Text()),
        sa.Column("metadata", sa.JSON()),
        sa.Column("continues", sa.Text()),
        _count("tally_seq"),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("ending", sa.String(16)),
        _count("turns"),
        _count("interrupted"),
        _count("failed"),
        _count("tools"),
        _count("slowest_ms"),
        _count("tokens_in", sa.BigInteger()),
        _count("tokens_out", sa.BigInteger()),
        sa.Column("frames_lost", sa.Integer()),
    )
    op.create_index("calls_started", "calls", _NEWEST)
    op.create_index("calls_agent", "calls", ["agent_id", *_NEWEST])
    op.create_index("calls_caller", "calls", ["caller", *_NEWEST])
    op.create_index("calls_user", "calls", ["user_id", *_NEWEST])
    op.create_index("calls_session", "calls", ["session_id", *_NEWEST])
    _some("calls_open", ["replica"], "ended_at IS NULL")
    _some("calls_interrupted", _NEWEST, "interrupted > 0")
    _some("calls_interrupted_agent", ["agent_id", *_NEWEST], "interrupted > 0")
    _some("calls_failed", _NEWEST, "failed > 0")
    _some("calls_failed_agent", ["agent_id", *_NEWEST], "failed > 0")
    _some("calls_slow", [*_NEWEST, "slowest_ms"], "slowest_ms >= 2000")
    _some("calls_slow_agent", ["agent_id", *_NEWEST, "slowest_ms"], "slowest_ms >= 2000")


def _turns() -> None:
    op.create_table(
        "turns",
        sa.Column("call_id", sa.String(32), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("ahead", sa.Boolean(), nullable=False),
        sa.Column("asked", sa.Text()),
        sa.Column("said", sa.Text()),
        sa.Column("said_chars", sa.Integer(), nullable=False),
        sa.Column("heard", sa.Text()),
        sa.Column("heard_chars", sa.Integer()),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("failure", sa.String(32)),
        sa.Column("model", sa.Text()),
        sa.Column("tokens_in", sa.Integer()),
        sa.Column("tokens_out", sa.Integer()),
        sa.Column("messages", sa.JSON()),
        sa.Column("first_token_ms", sa.Integer()),
        sa.Column("first_frame_ms", sa.Integer()),
        sa.Column("last_frame_ms", sa.Integer()),
        sa.Column("tools_ms", sa.Integer(), nullable=False),
    )


def _tools_and_frames() -> None:
    op.create_table(
        "tool_runs",
        sa.Column("call_id", sa.String(32), primary_key=True),
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("arguments", sa.JSON()),
        sa.Column("policy", sa.Text()),
        sa.Column("outcome", sa.String(16)),
        sa.Column("result", sa.Text()),
        sa.Column("duration_ms", sa.Integer()),
    )
    op.create_table(
        "frames",
        sa.Column("call_id", sa.String(32), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )


def _count(name: str, kind: sa.types.TypeEngine[int] | None = None) -> sa.Column[int]:
    return sa.Column(name, kind or sa.Integer(), nullable=False, server_default="0")


def _some(name: str, columns: list[str], where: str) -> None:
    """Make an index of those calls only."""
    chosen = sa.text(where)
    op.create_index(name, "calls", columns, sqlite_where=chosen, postgresql_where=chosen)
