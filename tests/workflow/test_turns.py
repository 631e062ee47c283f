"""Turns: one at a time for a key, and nothing is kept for a key that nobody wants."""

import asyncio

from dispatch.engine import Overloaded
from dispatch.workflow.turns import Turns


async def test_one_key_is_held_by_one_in_the_order_of_asking_and_another_beside_it() -> None:
    turns, events = Turns(), list[str]()
    release = asyncio.Event()

    async def hold(name: str, *keys: str) -> None:
        async with turns.hold(*keys):
            events.append(name)
            await release.wait()

    tasks = [asyncio.create_task(hold(*asked)) for asked in (("a", "1"), ("b", "1", "2"), ("c", "2"), ("d",))]
    await asyncio.sleep(0)
    assert events == ["a", "c", "d"]
    release.set()
    await asyncio.gather(*tasks)
    assert events == ["a", "c", "d", "b"]
    assert turns.wanted == 0


async def test_who_stops_waiting_is_forgotten_and_the_next_goes_on() -> None:
    turns = Turns()

    async def hold() -> None:
        async with turns.hold("1"):
            raise AssertionError("it was never its turn")

    async with turns.hold("1"):
        waiting = asyncio.create_task(hold())
        await asyncio.sleep(0)
        assert turns.wanted == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with turns.hold("1"):
        pass
    assert turns.wanted == 0


async def test_too_many_that_wait_for_one_key_are_refused() -> None:
    turns = Turns(most=2)

    async def hold() -> None:
        async with turns.hold("1"):
            await asyncio.sleep(0)

    outcomes = await asyncio.gather(*(hold() for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), Overloaded]
    assert turns.wanted == 0
