"""A market as the contracts of order and engine promise it: an outbox and a log, in memory.

Commands count once by (kind, id, version), in their order; events are numbered without gaps;
a stream goes on after the position it is given, and says where it stands when nothing else is.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import grpc
from engine.v1 import engine_pb2, engine_pb2_grpc, records_pb2
from order.v1 import order_pb2, order_pb2_grpc
from trading.v1 import trading_pb2

from svc.kit.call import Context
from svc.kit.errors import failed_precondition, unavailable
from svc.kit.service import Check

LOG_ID = "0123456789abcdef0123456789abcdef"
WAIT_S = 20
HALTED = trading_pb2.MarketState.HALTED


class Market:
    """The outbox and the log of market 1, and the two services that show them."""

    def __init__(self) -> None:
        self.commands: list[order_pb2.MarketCommand] = []
        self.calls = 0
        self.events: list[records_pb2.Event] = []
        self.follows: list[trading_pb2.LogPosition] = []
        self.order_away = False
        self.engine_away = False
        self.engine_deaf = False
        self._states: dict[int, trading_pb2.MarketState.Value] = {}
        self._grown = asyncio.Event()

    def take(self, command: order_pb2.MarketCommand) -> bool:
        """Takes a command into the outbox, and into the log unless the engine is deaf."""
        if command in self.commands:
            return False
        assert self._key(command) not in map(self._key, self.commands), "the same wish, otherwise"
        self.commands.append(command)
        if not self.engine_deaf:
            self._execute(command)
        return True

    @staticmethod
    def _key(command: order_pb2.MarketCommand) -> tuple[str | None, int, int]:
        wish = command.instrument if command.HasField("instrument") else command.state
        return command.WhichOneof("kind"), wish.instrument_id, wish.version

    def hear(self) -> None:
        """Lets the engine execute what waited for it."""
        self.engine_deaf = False
        for command in self.commands:
            self._execute(command)

    def halt(self, instrument_id: int) -> None:
        """Halts by the engine's own decision."""
        self._change(instrument_id, HALTED, version=0)

    def _execute(self, command: order_pb2.MarketCommand) -> None:
        if command.HasField("state"):
            wish = command.state
            self._change(wish.instrument_id, wish.state, wish.version)
            return
        instrument = command.instrument
        state = instrument.state or self._states[instrument.instrument_id]
        self._states[instrument.instrument_id] = state
        changed = records_pb2.InstrumentChanged(version=instrument.version, state=state)
        self._append(
            records_pb2.Event(instrument_id=instrument.instrument_id, instrument_changed=changed)
        )

    def _change(
        self, instrument_id: int, state: trading_pb2.MarketState.Value, version: int
    ) -> None:
        previous, self._states[instrument_id] = self._states[instrument_id], state
        changed = records_pb2.StateChanged(previous=previous, state=state, version=version)
        self._append(records_pb2.Event(instrument_id=instrument_id, state_changed=changed))

    def refuse(self, instrument_id: int) -> None:
        """Refuses a definition as it does one that makes no sense, and a state of no instrument."""
        changed = records_pb2.InstrumentChanged(
            version=99, state=self._states[instrument_id], reason="INVALID_COMMAND"
        )
        self._append(records_pb2.Event(instrument_id=instrument_id, instrument_changed=changed))
        moved = records_pb2.StateChanged(reason="UNKNOWN_INSTRUMENT", version=2)
        self._append(records_pb2.Event(instrument_id=instrument_id, state_changed=moved))

    def _append(self, event: records_pb2.Event) -> None:
        event.sequence = len(self.events) + 1
        self.events.append(event)
        self.wake()

    def wake(self) -> None:
        """Lets everybody who waits look again."""
        self._grown.set()
        self._grown = asyncio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something about this market holds."""
        async with asyncio.timeout(WAIT_S):
            while not holds():
                await self._grown.wait()

    def called(self) -> None:
        """Somebody tried to hand something over."""
        self.calls += 1
        self.wake()

    def position(self) -> trading_pb2.LogPosition:
        """End of the log."""
        return trading_pb2.LogPosition(
            log_id=LOG_ID, sequence=len(self.events), running_hash=2**63 + len(self.events)
        )

    async def follow(
        self, after: trading_pb2.LogPosition
    ) -> AsyncIterator[records_pb2.EventBatch | None]:
        """The events after a position, each in a batch of its own; None at the end of the log."""
        if after.log_id not in ("", LOG_ID):
            raise failed_precondition("LOG_FOREIGN", "another log")
        sequence = after.sequence
        while not self.engine_away:
            grown = self._grown
            for event in self.events[sequence:]:
                yield records_pb2.EventBatch(market=1, log_id=LOG_ID, events=[event])
            sequence = len(self.events)
            yield None
            await grown.wait()
        raise unavailable("SERVICE_STOPPED", "away")


class _Hosted:
    """What kit asks of a service, of one that has nothing to start or stop."""

    async def start(self) -> None:
        """See Service."""

    async def stop(self) -> None:
        """See Service."""

    def checks(self) -> Mapping[str, Check]:
        """See Service."""
        return {}


class OrderSide(_Hosted, order_pb2_grpc.MarketCommandServiceServicer):
    """Order, as far as metadata talks to it."""

    name = "order"

    def __init__(self, market: Market) -> None:
        self._market = market

    def register(self, server: grpc.aio.Server) -> None:
        """See Service."""
        order_pb2_grpc.add_MarketCommandServiceServicer_to_server(self, server)

    async def SubmitMarketCommands(
        self, request: order_pb2.SubmitMarketCommandsRequest, context: Context
    ) -> order_pb2.SubmitMarketCommandsResponse:
        """Takes what is new, in order."""
        if self._market.order_away:
            self._market.called()
            raise unavailable("SERVICE_STOPPED", "away")
        added = sum(self._market.take(command) for command in request.commands)
        self._market.called()
        return order_pb2.SubmitMarketCommandsResponse(added=added)


class EngineSide(_Hosted, engine_pb2_grpc.EngineServiceServicer):
    """The engine, as far as metadata talks to it."""

    name = "engine"

    def __init__(self, market: Market) -> None:
        self._market = market

    def register(self, server: grpc.aio.Server) -> None:
        """See Service."""
        engine_pb2_grpc.add_EngineServiceServicer_to_server(self, server)

    async def StreamEvents(
        self, request: engine_pb2.StreamEventsRequest, context: Context
    ) -> AsyncIterator[engine_pb2.StreamEventsResponse]:
        """Follows the log, with a heartbeat at its end."""
        self._market.follows.append(request.after)
        self._market.wake()
        async for batch in self._market.follow(request.after):
            if batch is not None:
                yield engine_pb2.StreamEventsResponse(batch=batch)
            else:
                beat = engine_pb2.Heartbeat(position=self._market.position())
                yield engine_pb2.StreamEventsResponse(heartbeat=beat)
