"""
A client's process: does the jobs that come on its standard input.

    python -m tests.benchmarks.worker CLIENT
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from tests.benchmarks.clients import client_named
from tests.benchmarks.clients.interface import Client, Gather
from tests.benchmarks.jobs import Cost, Job
from tests.benchmarks.ordinary import log_warnings, raise_descriptor_limit

_PAGE = resource.getpagesize()


def resident() -> int:
    """
    Bytes of this process that are in memory.
    """
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * _PAGE


class _Meter:
    """
    The processor time and the time from now on.
    """

    def __init__(self, usage: int) -> None:
        self._usage = usage
        self._cpu, self._wall = self._processor(), time.monotonic()

    def _processor(self) -> float:
        used = resource.getrusage(self._usage)
        return used.ru_utime + used.ru_stime

    def read(self) -> tuple[float, float]:
        return self._processor() - self._cpu, time.monotonic() - self._wall


async def _several(
    make: Callable[[], Coroutine[Any, Any, Any]], job: Job, gather: Gather
) -> list[Any]:
    """
    Do C{make} as often as the job says, as many at a time as it says.
    """
    if job.at_once == 1:
        return [await make() for _ in range(job.count)]
    done: list[Any] = []
    while len(done) < job.count:
        number = min(job.at_once, job.count - len(done))
        done += await gather([make() for _ in range(number)])
    return done


async def _log_in(client: Client, job: Job, gather: Gather) -> Cost:
    async def one() -> tuple[float, float]:
        began = time.monotonic()
        opened = await client.open()
        complete = time.monotonic()
        await client.close(opened)
        return began, complete

    meter = _Meter(client.usage)
    logins = await _several(one, job, gather)
    return Cost(*meter.read(), logins=logins)


async def _keep(
    client: Client, job: Job, gather: Gather, make: Callable[[], Any]
) -> Cost:
    # What is made once, such as imports at the first use, is not a login's.
    await client.close(await client.open())
    before, meter = resident(), _Meter(client.usage)
    opened = await _several(make, job, gather)
    cpu, wall = meter.read()
    grown = resident() - before
    if job.task == "hold":
        await gather([client.close(each) for each in opened])
    return Cost(cpu, wall, grown)


async def _layer(client: Any, job: Job) -> Cost:
    meter = _Meter(client.usage)
    await client.run_course(job.course, job.count)
    return Cost(*meter.read())


async def _do(client: Client, job: Job, gather: Gather) -> Cost:
    client.prepare(job.server, job.login)
    if job.task == "log_in":
        return await _log_in(client, job, gather)
    if job.task == "hold":
        return await _keep(client, job, gather, client.open)
    if job.task == "pend":
        return await _keep(client, job, gather, client.pend)
    return await _layer(client, job)


async def _serve(client: Client, gather: Gather) -> None:
    # Nothing else is to be done meanwhile, so it may wait for a line as it is.
    for line in iter(sys.stdin.readline, ""):
        cost = await _do(client, Job.parse(line), gather)
        sys.stdout.write(cost.line())
        sys.stdout.flush()


def main(name: str) -> None:
    raise_descriptor_limit()
    log_warnings(sys.stderr)
    client: Client = client_named(name)
    client.run(lambda gather: _serve(client, gather))


if __name__ == "__main__":
    main(sys.argv[1])
