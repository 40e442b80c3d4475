"""Between the catalog's values and the messages of metadata.v1, order.v1 and engine.v1. Pure."""

from collections.abc import Iterator, Sequence

from engine.v1 import engine_pb2, records_pb2
from metadata.v1 import metadata_pb2
from order.v1 import order_pb2
from trading.v1 import trading_pb2

from svc.kit import decimals, ids
from svc.kit.errors import DomainError, failed_precondition, invalid
from svc.metadata.catalog import (
    Asset,
    Catalog,
    CatalogError,
    Definition,
    DefinitionSeen,
    DefinitionWish,
    Kind,
    Known,
    Listed,
    Position,
    State,
    StateSeen,
    StateWish,
    Terms,
)
from svc.metadata.steps import units

# What is right in itself and refused for what is listed already.
_STATEFUL_REASONS = frozenset({"IMMUTABLE", "SYMBOL_TAKEN", "MARKET_DELISTED"})
_MOST_PROBLEMS_SHOWN = 20
_REFUSED = frozenset({records_pb2.Reason.INVALID_COMMAND, records_pb2.Reason.UNKNOWN_INSTRUMENT})


def asset_of(message: metadata_pb2.Asset) -> Asset:
    """The asset that a message defines."""
    return Asset(message.id, message.symbol, message.name, message.ledger_scale)


def definition_of(message: metadata_pb2.Instrument) -> Definition:
    """The definition in a message that passed its field rules; what is computed is ignored."""
    wished = message.wished_state
    return Definition(
        id=message.id,
        symbol=message.symbol,
        kind=Kind(trading_pb2.InstrumentKind.Value.Name(message.kind)),
        market=message.market,
        base_asset=message.base_asset,
        quote_asset=message.quote_asset,
        tick_size=message.tick_size,
        lot_size=message.lot_size,
        terms=Terms(
            min_notional=message.min_notional,
            max_quantity=message.max_quantity,
            max_leverage=message.max_leverage,
            collar_bps=message.collar_bps,
            reference_price=message.reference_price,
            maker_fee_ppm=message.maker_fee_ppm,
            taker_fee_ppm=message.taker_fee_ppm,
            band_bps=message.band_bps,
            band_auction=message.band_auction,
        ),
        initial_state=state_of(wished) if wished else State.TRADING,
    )


def state_of(value: trading_pb2.MarketState.Value) -> State:
    """The state of an enum value; ValueError for one that is not known here."""
    return State(trading_pb2.MarketState.Value.Name(value))


def definition_message(definition: Definition) -> metadata_pb2.Instrument:
    """The message that PutInstruments takes for a definition."""
    terms = definition.terms
    return metadata_pb2.Instrument(
        id=definition.id,
        symbol=definition.symbol,
        kind=definition.kind,
        market=definition.market,
        base_asset=definition.base_asset,
        quote_asset=definition.quote_asset,
        tick_size=definition.tick_size,
        lot_size=definition.lot_size,
        min_notional=terms.min_notional,
        max_quantity=terms.max_quantity,
        max_leverage=terms.max_leverage,
        collar_bps=terms.collar_bps,
        reference_price=terms.reference_price,
        maker_fee_ppm=terms.maker_fee_ppm,
        taker_fee_ppm=terms.taker_fee_ppm,
        band_bps=terms.band_bps,
        band_auction=terms.band_auction,
        wished_state=definition.initial_state,
    )


def asset_message(asset: Asset) -> metadata_pb2.Asset:
    """An asset, for services and operators."""
    return metadata_pb2.Asset(
        id=asset.id, symbol=asset.symbol, name=asset.name, ledger_scale=asset.ledger_scale
    )


def instrument_message(listed: Listed, catalog: Catalog) -> metadata_pb2.Instrument:
    """An instrument with its inner ids and units, for services and operators."""
    base, quote = catalog.assets_of(listed.definition)
    found = units(listed.definition, base, quote)
    message = definition_message(listed.definition)
    message.MergeFrom(
        metadata_pb2.Instrument(
            version=listed.version,
            wished_state=listed.wished_state,
            state_version=listed.state_version,
            state=listed.known.state if listed.known else "UNSPECIFIED",
            base_asset_id=base.id,
            quote_asset_id=quote.id,
            base_units_per_lot=str(found.base_units_per_lot),
            quote_units_per_tick_lot=str(found.quote_units_per_tick_lot),
            max_price_ticks=found.max_price_ticks,
        )
    )
    return message


def market_message(listed: Listed) -> metadata_pb2.Market:
    """An instrument as traders see it."""
    definition, terms = listed.definition, listed.definition.terms
    return metadata_pb2.Market(
        symbol=definition.symbol,
        kind=definition.kind,
        base_asset=definition.base_asset,
        quote_asset=definition.quote_asset,
        tick_size=definition.tick_size,
        lot_size=definition.lot_size,
        min_notional=terms.min_notional,
        max_quantity=terms.max_quantity,
        max_leverage=terms.max_leverage,
        status=listed.status,
        maker_fee_bps=decimals.format_units(terms.maker_fee_ppm, 2),
        taker_fee_bps=decimals.format_units(terms.taker_fee_ppm, 2),
        instrument_id=ids.to_uuid(definition.id),
    )


def command_messages(
    definitions: Sequence[DefinitionWish], states: Sequence[StateWish], catalog: Catalog
) -> list[order_pb2.MarketCommand]:
    """The commands that make wishes come true: instruments before states.

    The same wish always makes the same command.
    """
    commands = [
        order_pb2.MarketCommand(instrument=_instrument_command(wish, catalog))
        for wish in definitions
    ]
    for wish in states:
        command = order_pb2.StateCommand(
            instrument_id=wish.instrument_id, version=wish.version, state=wish.state
        )
        commands.append(order_pb2.MarketCommand(state=command))
    return commands


def _instrument_command(wish: DefinitionWish, catalog: Catalog) -> order_pb2.InstrumentCommand:
    found = units(wish.definition, *catalog.assets_of(wish.definition))
    return order_pb2.InstrumentCommand(
        instrument_id=wish.definition.id,
        version=wish.version,
        kind=wish.definition.kind,
        min_price_ticks=1,
        max_price_ticks=found.max_price_ticks,
        max_quantity_lots=found.max_quantity_lots,
        collar_bps=wish.definition.terms.collar_bps,
        reference_price_ticks=found.reference_price_ticks,
        state=wish.state or "UNSPECIFIED",
        band_bps=wish.definition.terms.band_bps,
        band_auction=wish.definition.terms.band_auction,
    )


def news(batch: records_pb2.EventBatch) -> Iterator[DefinitionSeen | StateSeen]:
    """What the events of a batch say of instruments and their states, in order.

    A definition with a reason was refused, an event without a state names an instrument the engine
    does not know; see `refusals`.
    """
    for event in batch.events:
        match event.WhichOneof("kind"):
            case "instrument_changed" if not _is_refused(event.instrument_changed):
                changed = event.instrument_changed
                state = state_of(changed.state)
                yield DefinitionSeen(event.instrument_id, changed.version, state, event.sequence)
            case "state_changed" if event.state_changed.state:
                moved = event.state_changed
                state = state_of(moved.state)
                yield StateSeen(event.instrument_id, state, moved.version, event.sequence)
            case _:
                continue


def known_in(part: engine_pb2.SnapshotOrdersResponse) -> dict[int, Known]:
    """What the engine knows of each instrument, as the first part of its snapshot says."""
    return {
        told.instrument_id: Known(
            version=told.version,
            state=state_of(told.state),
            state_version=max(1, told.state_version),  # the first came with the definition
            sequence=part.position.sequence,
        )
        for told in part.instruments
    }


def refusals(batch: records_pb2.EventBatch) -> Iterator[str]:
    """Commands that the engine refused, for the log: rules here and there have parted."""
    for event in batch.events:
        moved, changed = event.state_changed, event.instrument_changed
        if event.HasField("state_changed") and moved.reason in _REFUSED:
            reason = records_pb2.Reason.Value.Name(moved.reason)
            yield f"instrument {event.instrument_id}: state wish {moved.version}: {reason}"
        if event.HasField("instrument_changed") and _is_refused(changed):
            reason = records_pb2.Reason.Value.Name(changed.reason)
            yield f"instrument {event.instrument_id}: version {changed.version}: {reason}"


def _is_refused(changed: records_pb2.InstrumentChanged) -> bool:
    return bool(changed.reason) or not changed.state


def position_of(message: trading_pb2.LogPosition) -> Position:
    """The position in a message."""
    return Position(message.log_id, message.sequence, message.running_hash)


def position_message(position: Position) -> trading_pb2.LogPosition:
    """The message of a position."""
    return trading_pb2.LogPosition(
        log_id=position.log_id, sequence=position.sequence, running_hash=position.running_hash
    )


def refusal(error: CatalogError) -> DomainError:
    """The error of a refused change: the first problem's reason, and all problems in words."""
    first, shown = error.problems[0], error.problems[:_MOST_PROBLEMS_SHOWN]
    message = "; ".join(str(problem) for problem in shown)
    if len(error.problems) > len(shown):
        message += f"; and {len(error.problems) - len(shown)} more"
    make = failed_precondition if first.reason in _STATEFUL_REASONS else invalid
    return make(
        first.reason,
        message,
        subject=first.subject,
        field=first.field,
        value=first.value,
        rule=first.rule,
        right=first.right,
        problems=str(len(error.problems)),
    )
