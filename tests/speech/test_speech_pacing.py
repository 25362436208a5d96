import pytest

from bridge.speech import Pacer, Text, flushed


def paced(*contents: str) -> list[Text]:
    pacer = Pacer()
    return [text for content in contents for text in pacer.pace([Text(content)])]


def flushes(*contents: str) -> list[str]:
    """What was said up to each flush."""
    said, found = "", []
    for text in paced(*contents):
        said += text.content
        if text.flush:
            found.append(said)
    return found


@pytest.mark.parametrize(
    ("contents", "first_clause"),
    [
        (("Sure", ",", " I can", ". Yes, now."), "Sure,"),
        (("Well, yes, now",), "Well,"),
        (("Hi, yes", ", now"), "Hi, yes,"),
        (("It costs $1", ",", "000", ".", "50, all in"), "It costs $1,000.50,"),
        (("It is 5", ",", " so", "."), "It is 5, so."),
        (("Dr", ".", " Smith is in", "."), "Dr. Smith is in."),
        (("At 3:30pm; see you",), "At 3:30pm;"),
        (('He said "yes." Then',), 'He said "yes."'),
        (("Go to example.com now!",), "Go to example.com now!"),
        (("好的，我来看看。",), "好的，"),
        (("First point", "\n", "Second"), "First point\n"),
    ],
)
def test_the_end_of_the_first_clause_is_flushed_and_nothing_after_it(
    contents: tuple[str, ...], first_clause: str
) -> None:
    assert flushes(*contents) == [first_clause]


def test_pacing_changes_no_words() -> None:
    contents = ("Sure", ", of course", ". What", " else?")
    assert "".join(text.content for text in paced(*contents)) == "".join(contents)


def test_a_piece_is_cut_at_the_end_of_the_clause_and_its_pause_stays_last() -> None:
    pieces = Pacer().pace([Text("Sure, wait", pause=500)])
    assert pieces == [Text("Sure,", flush=True), Text(" wait", pause=500)]
    pieces = Pacer().pace([Text("Sure,", pause=500)])
    assert pieces == [Text("Sure,", flush=True, pause=500)]


def test_a_reply_without_clauses_is_never_flushed() -> None:
    assert flushes(*["word "] * 50) == []


def test_the_flush_of_the_first_clause_can_be_switched_off() -> None:
    pieces = [Text("Sure, "), Text("yes.")]
    assert Pacer(first_clause=False).pace(pieces) == pieces


def test_fillers_and_last_words_before_a_wait_are_flushed_once() -> None:
    assert flushed([Text("One "), Text("moment", pause=9)]) == [
        Text("One "),
        Text("moment", flush=True, pause=9),
    ]
    assert flushed([]) == [Text("", flush=True)]
