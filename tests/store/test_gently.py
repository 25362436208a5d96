import asyncio

from sqlalchemy import text

from bridge.store.database.database import Database
from bridge.store.reading.gently import fetched, made

MANY = 1000


class Others:
    """What else there is to do: how often it got its turn."""

    def __init__(self) -> None:
        self.turns = 0

    async def live(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.turns += 1


async def test_others_get_their_turn_while_much_is_made() -> None:
    others = Others()
    living = asyncio.create_task(others.live())

    assert await made(range(MANY), str) == [str(n) for n in range(MANY)]

    living.cancel()
    assert others.turns >= 20


async def test_others_get_their_turn_while_many_rows_are_read(database: Database) -> None:
    others = Others()
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})"  # noqa: S608

    async with database.reading() as connection:
        rows = await connection.execute(text(f"{numbers} SELECT i FROM n"))  # noqa: S608
        living = asyncio.create_task(others.live())
        found = await fetched(rows, lambda row: row.i)

    living.cancel()
    assert found == list(range(1, MANY + 1))
    assert others.turns >= 20
