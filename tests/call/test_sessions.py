from bridge.call.call import Call
from bridge.call.sessions import Sessions
from bridge.protocol import decode
from tests.doubles import Room, ScriptedAgent, until

START = '{"type": "start_call", "data": {"session_id": "s", "stream_id": 0}}'
ASK = (
    '{"type": "stream_request", "data": {"stream_id": %d, '
    '"transcript": [{"role": "user", "content": "%s"}]}}'
)


def call() -> Call:
    return Room(ScriptedAgent()).call()


def test_the_ledger_of_a_dropped_socket_is_found_again_once() -> None:
    sessions, first = Sessions(keep=60), call()
    assert sessions.claim(first, "s") is None
    sessions.release(first, "s")
    assert sessions.claim(call(), "other") is None
    assert sessions.claim(call(), "s") is first.ledger


def test_a_dropped_call_is_forgotten_after_its_time() -> None:
    sessions, first = Sessions(keep=0), call()
    sessions.claim(first, "s")
    sessions.release(first, "s")
    assert sessions.claim(call(), "s") is None
    assert not sessions._dropped


def test_the_newest_socket_of_a_session_wins_and_the_older_leaves_it_alone() -> None:
    sessions, first, second = Sessions(keep=60), call(), call()
    sessions.claim(first, "s")
    assert sessions.claim(second, "s") is first.ledger
    sessions.release(first, "s")
    assert sessions.claim(call(), "s") is second.ledger


def test_calls_without_a_session_id_have_nothing_to_do_with_each_other() -> None:
    sessions, first = Sessions(keep=60), call()
    sessions.claim(first, "")
    assert sessions.claim(call(), "") is None
    sessions.release(first, "")
    assert sessions.claim(call(), "") is None


def test_only_so_many_calls_are_kept() -> None:
    sessions, one = Sessions(keep=60), call()
    for number in range(1100):
        sessions.claim(one, str(number))
        sessions.release(one, str(number))
    assert len(sessions._dropped) == 1000
    assert sessions.claim(call(), "0") is None
    assert sessions.claim(call(), "1099") is one.ledger


async def test_what_still_comes_on_a_socket_that_gave_way_is_not_acted_on() -> None:
    room = Room(ScriptedAgent("Yes."))
    old, new = room.call(), room.call()
    old.hear(decode(START))
    new.hear(decode(START))
    old.hear(decode(ASK % (1, "from the old socket")))
    room.line.hung_up = False  # both write to it here
    new.hear(decode(ASK % (2, "from the new one")))
    await until(lambda: room.line.endings(2) == 1)
    await old.close()
    await new.close()
    assert [brief.history[-1] for brief in room.agent.briefs] == list(
        new.ledger.entries[-1].transcript
    )


async def test_a_new_session_on_a_socket_has_no_last_turn_to_be_interrupted() -> None:
    room = Room(ScriptedAgent("Yes."))
    call = room.call()
    call.hear(decode(START))
    call.hear(decode(ASK % (1, "hello")))
    await until(lambda: room.line.endings(1) == 1)
    before = call.ledger.entries[-1]
    call.hear(decode('{"type": "start_call", "data": {"session_id": "other"}}'))
    call.hear(decode('{"type": "interrupt"}'))
    await call.close()
    assert not before.cut
