"""What a call costs beside its work: ``PYTHONPATH=.:gen python -m tests.kit.rpc.bench_calls``.

wallet.v1 LockFunds with lists of orders, answered at once with one result per item, one call in
flight, through kit's client and the whole pipeline, in process and over a loopback socket. Also
what copying a list costs by serialising and parsing (what the channel does) and by CopyFrom.
Prints microseconds per call, percentiles and CPU, and one JSON line.
"""

from __future__ import annotations

import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import grpc
import uvloop
from prometheus_client import CollectorRegistry
from wallet.v1 import wallet_pb2, wallet_pb2_grpc

from svc.kit.channel import InProcessChannel, InProcessServer
from svc.kit.client import ClientChannel, dial
from svc.kit.health import Health
from svc.kit.identity import create_secrets, load_identities, load_identity
from svc.kit.pipeline import HandlerTable, Phase, Pipeline
from svc.kit.server import RpcServer
from svc.kit.telemetry import RpcMetrics

CALLS = {1: 5_000, 64: 2_000, 512: 400}
COPIES = 500


class Answerer(wallet_pb2_grpc.WalletServiceServicer):
    """Locks nothing, at once."""

    async def LockFunds(self, request: Any, context: Any) -> Any:
        """Answer with an empty result per item, made beforehand."""
        return ANSWERS[len(request.items)]


def request_of(items: int) -> Any:
    """Make a list of orders to lock funds for."""
    item = wallet_pb2.LockItem(
        order_id=123_456_789_012_345,
        version=1,
        account_id=99_988_877_766,
        instrument_id=1,
        maker_fee_ppm=1000,
        taker_fee_ppm=1500,
    )
    return wallet_pb2.LockFundsRequest(items=[item] * items)


ANSWERS = {
    items: wallet_pb2.LockFundsResponse(results=[wallet_pb2.LockResult()] * items)
    for items in CALLS
}


async def measure(stub: Any, items: int) -> dict[str, float]:
    """Time calls one after the other; microseconds."""
    request = request_of(items)
    for _ in range(100):
        await stub.LockFunds(request)
    times = []
    cpu = time.process_time()
    for _ in range(CALLS[items]):
        begun = time.perf_counter()
        await stub.LockFunds(request)
        times.append((time.perf_counter() - begun) * 1e6)
    cpu = (time.process_time() - cpu) / CALLS[items] * 1e6
    times.sort()
    return {
        "p50": round(times[len(times) // 2], 1),
        "p99": round(times[len(times) * 99 // 100], 1),
        "cpu": round(cpu, 1),
    }


def copying(items: int) -> dict[str, float]:
    """Time the two ways to copy a request; microseconds a copy."""
    request = request_of(items)
    kind = type(request)

    def copy() -> None:
        kind().CopyFrom(request)

    def rewrite() -> None:
        kind.FromString(request.SerializeToString())

    return {"copy_from": per_run(copy), "serialise_parse": per_run(rewrite)}


def per_run(work: Callable[[], object]) -> float:
    """Time one run, the median; microseconds."""
    times = []
    for _ in range(COPIES):
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) * 1e6)
    return round(statistics.median(times), 1)


async def main() -> None:
    """Serve over both channels, measure, print."""
    with tempfile.TemporaryDirectory() as folder:
        secrets = Path(folder)
        create_secrets(secrets, ("order",))
        pipeline = Pipeline("wallet", load_identities(secrets), RpcMetrics(CollectorRegistry()))
        pipeline.phase = Phase.SERVING
        table = HandlerTable(pipeline)
        answerer = cast("Callable[[], Answerer]", Answerer)()
        wallet_pb2_grpc.add_WalletServiceServicer_to_server(
            answerer, cast("grpc.aio.Server", table)
        )
        server = RpcServer(table, Health(pipeline, {}))
        port = await server.start("127.0.0.1", 0)
        identity = load_identity(secrets, "order")
    channels = {
        "in process": InProcessChannel(InProcessServer(table)),
        "socket": dial(f"127.0.0.1:{port}"),
    }
    figures: dict[str, Any] = {"unit": "us", "python": platform.python_version()}
    for items in CALLS:
        figures[f"copy of {items}"] = copying(items)
        for name, channel in channels.items():
            stub = wallet_pb2_grpc.WalletServiceStub(ClientChannel(channel, identity))
            figures[f"{name}, {items}"] = await measure(stub, items)
    for name, figure in figures.items():
        print(f"{name:>16}  {figure}")  # noqa: T201 (a benchmark prints)
    print(json.dumps(figures))  # noqa: T201
    await pipeline.close(0)
    await server.stop()


if __name__ == "__main__":
    uvloop.run(main())
