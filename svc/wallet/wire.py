"""Between the ledger's values and the messages of wallet.v1. Pure.

What each order passes is read from its bytes by codec.pyx; whatever that does not take is read
here from protobuf's messages, so that both say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trading.v1 import trading_pb2
from wallet.v1 import wallet_pb2

from svc.kit import decimals
from svc.kit.pipeline import message_of
from svc.wallet import codec
from svc.wallet.asks import CreditAsk, Refusal, perpetual_not_settled, refusal
from svc.wallet.instruments import Asset
from svc.wallet.memory import HoldAsk, HoldKey, Position
from svc.wallet.operations import OpenHold
from svc.wallet.settlement import (
    Effect,
    LogPoint,
    PerpetualTrade,
    Range,
    Release,
    Replace,
    Trade,
)

_HELD_NOTHING = wallet_pb2.UnlockResult(amount="0")


def asks_of(payload: bytes) -> Sequence[HoldAsk | Refusal]:
    """The holds that a LockFundsRequest asks for.

    Raises MALFORMED_MESSAGE, INVALID_FIELD, as for any request.
    """
    found = codec.asks_of(payload)
    return asks_in(message_of(wallet_pb2.LockFundsRequest, payload)) if found is None else found


def asks_in(request: wallet_pb2.LockFundsRequest) -> Sequence[HoldAsk | Refusal]:
    """The same of a request that was parsed."""
    return [_ask_of(item) for item in request.items]


def _ask_of(item: wallet_pb2.LockItem) -> HoldAsk | Refusal:
    if not item.HasField("spot"):
        return _no_spot_hold(item)
    spot = item.spot
    amount = spot.quote_amount
    if amount and not _is_amount(amount):
        return refusal(
            "INVALID_HOLD",
            f"quote_amount {amount[:48]!r} must be a whole number of up to 38 digits.",
            field="quote_amount",
            value=amount[:48],
        )
    return HoldAsk(
        item.order_id,
        item.version,
        item.account_id,
        item.instrument_id,
        item.side,
        spot.cap_ticks,
        spot.lots,
        int(amount) if amount else 0,
        item.maker_fee_ppm,
        item.taker_fee_ppm,
    )


def key_of(message: wallet_pb2.HoldKey) -> HoldKey:
    """The key of a hold."""
    return HoldKey(message.order_id, message.version)


def credit_of(item: wallet_pb2.CreditItem, assets: Mapping[str, Asset]) -> CreditAsk | Refusal:
    """The payment that an item asks for; ``assets`` by symbol."""
    asset = assets.get(item.asset.upper())
    if asset is None:
        return refusal("UNKNOWN_ASSET", f"There is no asset {item.asset!r}.", asset=item.asset)
    step = decimals.Step(1, asset.ledger_scale, decimals.MAX_LEDGER_UNITS)
    try:
        units = decimals.to_steps(item.amount, step)
    except decimals.DecimalError as error:
        return refusal("INVALID_AMOUNT", f"amount: {error}.", value=item.amount)
    if units == 0:
        return refusal("INVALID_AMOUNT", f"amount {item.amount} must be > 0.", value=item.amount)
    return CreditAsk(item.transaction_id, item.account_id, asset.asset_id, units, item.reference)


def range_of(payload: bytes) -> Range:
    """The range that a SettleTradeRequest names.

    Raises MALFORMED_MESSAGE, INVALID_FIELD, as for any request.
    """
    found = codec.range_of(payload)
    return range_in(message_of(wallet_pb2.SettleTradeRequest, payload)) if found is None else found


def range_in(request: wallet_pb2.SettleTradeRequest) -> Range:
    """The same of a request that was parsed."""
    return Range(
        request.market,
        _point_of(request.after),
        _point_of(request.to),
        [_effect_of(effect) for effect in request.effects],
    )


def lock_answer(results: Sequence[int | Refusal]) -> bytes:
    """The LockFundsResponse with the answer to each ask."""
    return codec.lock_answer(results, _refused_lock)


def unlock_result(result: int | Refusal) -> wallet_pb2.UnlockResult:
    """The answer to a release."""
    if isinstance(result, Refusal):
        return wallet_pb2.UnlockResult(refusal=_refusal(result))
    return wallet_pb2.UnlockResult(amount=str(result)) if result else _HELD_NOTHING


def credit_result(
    ask: CreditAsk | Refusal, result: int | Refusal, assets: Mapping[int, Asset]
) -> wallet_pb2.CreditResult:
    """The answer to a payment; ``assets`` by id."""
    if isinstance(result, Refusal) or isinstance(ask, Refusal):
        assert isinstance(result, Refusal), "what came refused is answered refused"
        return wallet_pb2.CreditResult(refusal=_refusal(result))
    scale = assets[ask.asset_id].ledger_scale
    return wallet_pb2.CreditResult(balance=decimals.format_units(result, scale))


def balance_message(asset: Asset, total: int, locked: int) -> wallet_pb2.Balance:
    """A balance as traders see it."""
    scale = asset.ledger_scale
    return wallet_pb2.Balance(
        asset=asset.symbol,
        available=decimals.format_units(total - locked, scale),
        locked=decimals.format_units(locked, scale),
        total=decimals.format_units(total, scale),
    )


def hold_message(hold: OpenHold) -> wallet_pb2.Hold:
    """An open hold."""
    return wallet_pb2.Hold(
        key=wallet_pb2.HoldKey(order_id=hold.key.order_id, version=hold.key.version),
        account_id=hold.account_id,
        instrument_id=hold.instrument_id,
        amount=str(hold.amount),
        created_at_unix_ns=hold.created_at_unix_ns,
    )


def position_message(position: Position) -> trading_pb2.LogPosition:
    """Where the ledger stands."""
    return trading_pb2.LogPosition(
        log_id=position.log_id,
        sequence=position.sequence,
        running_hash=position.running_hash,
    )


def _point_of(message: trading_pb2.LogPosition) -> LogPoint:
    return LogPoint(message.log_id, message.sequence, message.running_hash)


def _effect_of(effect: wallet_pb2.Effect) -> Effect:
    kind = effect.WhichOneof("kind")
    if kind == "spot_trade":
        trade = effect.spot_trade
        return Trade(
            effect.sequence,
            trade.trade_number,
            trade.instrument_id,
            trade.price_ticks,
            trade.lots,
            trade.taker_side,
            trade.buy_order_id,
            trade.buy_version,
            trade.buy_account_id,
            trade.sell_order_id,
            trade.sell_version,
            trade.sell_account_id,
        )
    if kind == "release":
        release = effect.release
        return Release(effect.sequence, release.order_id, release.version, release.remaining_lots)
    if kind == "replace":
        replace = effect.replace
        return Replace(
            effect.sequence,
            replace.order_id,
            replace.version,
            replace.cap_ticks,
            replace.remaining_lots,
            replace.rejected,
        )
    return PerpetualTrade(effect.sequence, effect.perpetual_trade.trade_number)


def _no_spot_hold(item: wallet_pb2.LockItem) -> Refusal:
    if item.HasField("perpetual"):
        return perpetual_not_settled(f"instrument {item.instrument_id}")
    return refusal(
        "INVALID_HOLD",
        f"hold of order {item.order_id} must be set: spot or perpetual.",
        field="hold",
        value="",
    )


def _is_amount(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= decimals.MAX_DIGITS


def _refused_lock(found: Refusal) -> bytes:
    return wallet_pb2.LockResult(refusal=_refusal(found)).SerializeToString()


def _refusal(found: Refusal) -> wallet_pb2.Refusal:
    return wallet_pb2.Refusal(reason=found.reason, message=found.message, metadata=found.metadata)
