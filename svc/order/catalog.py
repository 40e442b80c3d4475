"""The instruments of metadata, kept at hand: by symbol, by id, and as rows for the statements.

Keeps: an instrument has its row before anybody can name it; tick and lot of an id never change;
what the market trades is known here once that event is applied. While metadata is away, what was
last known goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress

import grpc
from metadata.v1 import metadata_pb2, metadata_pb2_grpc
from trading.v1 import trading_pb2

from svc.kit import decimals
from svc.kit.database import DISCONNECTED, Database
from svc.kit.decimals import Step
from svc.kit.errors import DomainError, from_rpc, unavailable
from svc.kit.log import get_logger
from svc.kit.symbols import SymbolIndex
from svc.order import catalog_store
from svc.order.instrument import Instrument

REFRESH_S = 5.0
"""How often metadata is asked."""
UNKNOWN_REFRESH_S = 1.0
"""An unknown symbol asks metadata before its time, but not more often than this."""
NOT_FOUND_YET = frozenset(("UNKNOWN_SYMBOL", "INSTRUMENTS_NOT_KNOWN"))
"""Reasons of `find` that `seek` may mend."""
TIMEOUT_S = 2.0
"""How long metadata may take; then what is known goes on."""

_log = get_logger("order.catalog")


class Catalog:
    """Finds instruments; follows metadata."""

    def __init__(
        self,
        metadata: metadata_pb2_grpc.MetadataServiceAsyncStub,
        database: Callable[[], Awaitable[Database]],
        markets: Collection[int],
    ) -> None:
        """`database` gives the same one at every call; `markets` are those that orders may name."""
        self._metadata = metadata
        self._database = database
        self._markets = markets
        self.listed: dict[str, Instrument] = {}
        """By symbol, as it is listed, in a market that is served."""
        self._by_id: dict[int, Instrument] = {}
        self._index = SymbolIndex(())
        self.quote_units: dict[int, int] = {}
        """Ledger units of quote in a tick x lot, by instrument id."""
        self._asked_at = 0.0
        self._asking = asyncio.Lock()

    def find(self, text: str) -> Instrument:
        """The instrument that a text means.

        Raises NOT_FOUND, UNKNOWN_SYMBOL; UNAVAILABLE while metadata has not been heard of once.
        """
        found = self.listed.get(text)
        if found is None:
            if not self._by_id:
                raise unavailable("INSTRUMENTS_NOT_KNOWN", "Metadata has not answered yet.")
            found = self.listed[self._index.resolve(text)]
        return found

    def get(self, instrument_id: int) -> Instrument | None:
        """The instrument of an id; None when metadata never listed it."""
        return self._by_id.get(instrument_id)

    def is_perpetual(self, instrument_id: int) -> bool:
        """Whether an instrument is a perpetual."""
        found = self._by_id.get(instrument_id)
        return found is not None and found.perpetual

    async def seek(self, text: str) -> None:
        """Asks metadata again when the text means nothing yet: it may be new. Bounded in rate."""
        try:
            self.find(text)
        except DomainError:
            async with self._asking:
                if asyncio.get_running_loop().time() - self._asked_at >= UNKNOWN_REFRESH_S:
                    await self.refresh()

    async def learn(self, instrument_ids: Iterable[int]) -> None:
        """Asks metadata for instruments that the market has and nobody here has heard of."""
        if all(map(self._by_id.__contains__, instrument_ids)):
            return
        async with self._asking:
            await self.refresh()

    async def load(self) -> None:
        """Takes the rows of the last run, then what metadata says, if it answers."""
        database = await self._database()
        async with database.transaction() as conn:
            self._take(await catalog_store.load(conn))
        await self.refresh()

    async def refresh(self) -> None:
        """Asks metadata once. That it is away is logged and changes nothing."""
        self._asked_at = asyncio.get_running_loop().time()
        try:
            listed = await self._metadata.ListInstruments(
                metadata_pb2.ListInstrumentsRequest(), timeout=TIMEOUT_S
            )
            scales = {asset.id: asset.ledger_scale for asset in listed.assets}
            instruments = [instrument_of(row, scales) for row in listed.instruments]
            changed = [row for row in instruments if self._by_id.get(row.id) != row]
            if changed:
                database = await self._database()
                async with database.transaction() as conn:
                    await catalog_store.save(conn, changed)
                self._take(instruments)
        except grpc.aio.AioRpcError as error:
            _log.warning("metadata_away", error=str(from_rpc(error)))
        except DISCONNECTED as error:
            _log.warning("database_away", error=repr(error))

    async def run(self) -> None:
        """Asks metadata again and again, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_S)
            with suppress(TimeoutError):
                async with self._asking:
                    await self.refresh()

    def _take(self, instruments: Sequence[Instrument]) -> None:
        self._by_id |= {row.id: row for row in instruments}
        self.quote_units = {i: row.quote_units_per_tick_lot for i, row in self._by_id.items()}
        known = [row for row in self._by_id.values() if row.market in self._markets]
        self.listed = {row.symbol: row for row in known}
        self._index = SymbolIndex(
            (row.symbol for row in known if not row.perpetual),
            (row.symbol for row in known if row.perpetual),
        )


def instrument_of(row: metadata_pb2.Instrument, scales: dict[int, int]) -> Instrument:
    """An instrument as orders see it; `scales` are the decimals of the assets' ledger units."""
    tick, lot = Step.parse(row.tick_size, row.max_price_ticks), Step.parse(row.lot_size)
    units, scale = int(row.quote_units_per_tick_lot), scales[row.quote_asset_id]
    minimum = decimals.to_steps(row.min_notional, Step(1, scale, decimals.MAX_LEDGER_UNITS))
    reference = row.reference_price
    return Instrument(
        id=row.id,
        symbol=row.symbol,
        market=row.market,
        version=row.version,
        perpetual=row.kind == trading_pb2.InstrumentKind.PERPETUAL,
        base_asset=row.base_asset,
        quote_asset=row.quote_asset,
        quote_scale=scale,
        tick=tick,
        lot=lot,
        quote_units_per_tick_lot=units,
        min_notional=row.min_notional,
        min_notional_tick_lots=-(-minimum // units),
        max_quantity_lots=decimals.to_steps(row.max_quantity, lot),
        max_leverage=row.max_leverage,
        collar_bps=row.collar_bps,
        reference_price_ticks=decimals.to_steps(reference, tick) if reference else 0,
        maker_fee_ppm=row.maker_fee_ppm,
        taker_fee_ppm=row.taker_fee_ppm,
    )
