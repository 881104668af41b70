"""The bell that pages wait for."""

import asyncio
import threading

from pneumoscore.server.live import Bell


def test_one_ring_from_a_thread_wakes_all_who_wait() -> None:
    async def waiting() -> list[int]:
        bell = Bell()
        waits = [asyncio.create_task(bell.wait(0, 30.0)) for _ in range(300)]
        await asyncio.sleep(0)
        ringer = threading.Thread(target=bell.ring)
        ringer.start()
        counts = await asyncio.gather(*waits)
        ringer.join()
        # What rang before is not waited for, and nothing new ends with the time.
        return [*counts, await bell.wait(0, 30.0), await bell.wait(1, 0.01)]

    assert asyncio.run(waiting()) == [1] * 302
