"""A function applied in threads, with results in the items' order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: More threads gain nothing, and each may hold a large image.
MOST_THREADS = 8
#: Items for a thread at a time: handing over costs as much as reading a small file's header.
PORTION = 4


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None
) -> Iterator[Result]:
    """Yield the function's result for each item, in the items' order.

    Few results are held ahead, so memory does not grow with the number of items.
    """
    threads = threads or min(MOST_THREADS, os.cpu_count() or 1)

    def work(portion: tuple[Item, ...]) -> list[Result]:
        return [function(item) for item in portion]

    pool = ThreadPoolExecutor(threads, thread_name_prefix="decoding")
    ahead: deque[Future[list[Result]]] = deque()
    try:
        source = iter(items)
        while portion := tuple(islice(source, PORTION)):
            ahead.append(pool.submit(work, portion))
            if len(ahead) > 2 * threads:
                yield from ahead.popleft().result()
        yield from chain.from_iterable(future.result() for future in ahead)
    finally:
        pool.shutdown(cancel_futures=True)
