"""The RPCs of order.v1: who asks, and how the answers read; intake and queries do the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from order.v1 import order_pb2, order_pb2_grpc
from trading.v1 import trading_pb2

from svc.kit import ids
from svc.kit.call import CURRENT_CALL, DEADLINE_SHAVE_S, Context, answer_http_status
from svc.kit.errors import DomainError, invalid
from svc.kit.identity import principal
from svc.kit.log import trace_id
from svc.kit.pipeline import message_of, takes_bytes
from svc.order import encoding, reading, views
from svc.order.asks import Answer, Ask, Caller, Cancel, Result
from svc.order.catalog import Catalog
from svc.order.intake import Intake
from svc.order.intake_commit import NOT_LIVE
from svc.order.lifecycle import Status
from svc.order.market import Market, StopKind
from svc.order.market_commands import MarketCommands
from svc.order.plain_reading import PlainReader
from svc.order.queries import CLIENT_ID_PREFIX, OrderFilters, Page, Queries
from svc.order.stopping import Stops
from svc.order.streaming import Conversation, items_of
from svc.order.terms import OrderType, Side

ACCEPTED_HTTP_STATUS = 202
IDEMPOTENCY_HEADER = "x-idempotency-key"

_DEFAULT_LIMIT = 50
_CANCELS_AT_ONCE = 1_000


class OrderServicer(order_pb2_grpc.OrderServiceServicer):
    """See protos/order/v1/order.proto for the contract of each method."""

    def __init__(self, intake: Intake, catalog: Catalog, queries: Queries) -> None:
        self._intake = intake
        self._catalog = catalog
        self._queries = queries
        self._reader = PlainReader(catalog)

    @takes_bytes
    async def CreateOrder(  # type: ignore[override]  # it takes bytes
        self, request: bytes, context: Context
    ) -> order_pb2.CreateOrderResponse:
        """One new order."""
        caller, header_key = _caller(context), _header_key(context)
        ask = self._reader.create(request, caller, header_key)
        if ask is None:
            message = message_of(order_pb2.CreateOrderRequest, request)
            await self._catalog.seek(message.symbol)
            ask = reading.create(message, caller, self._catalog, header_key)
        answer = await self._answer(ask, context)
        return order_pb2.CreateOrderResponse(
            order_id=ids.to_uuid(answer.order_id),
            status=answer.status,  # type: ignore[arg-type]  # the numbers are the contract's
            message="Order accepted.",
        )

    @takes_bytes
    async def CancelOrder(  # type: ignore[override]  # it takes bytes
        self, request: bytes, context: Context
    ) -> order_pb2.CancelOrderResponse:
        """One cancel."""
        caller, header_key = _caller(context), _header_key(context)
        ask = self._reader.cancel(request, caller, header_key)
        if ask is None:
            message = message_of(order_pb2.CancelOrderRequest, request)
            order_id = await self._named(caller, message.order_id)
            ask = reading.cancel(message, caller, header_key, order_id)
        answer = await self._answer(ask, context)
        return order_pb2.CancelOrderResponse(
            order_id=ids.to_uuid(answer.order_id),
            status=answer.status,  # type: ignore[arg-type]
            message="Cancel requested.",
        )

    async def CancelAllOrders(
        self, request: order_pb2.CancelAllOrdersRequest, context: Context
    ) -> order_pb2.CancelAllOrdersResponse:
        """Cancels in parts, of what was open when the call came."""
        caller = _caller(context)
        _refuse_header_key(context, "a cancel of all orders has none, and may be repeated")
        side = Side(request.side).name.lower() if request.HasField("side") else ""
        instrument_id = self._catalog.find(request.symbol).id if request.symbol else 0
        newest = await self._queries.newest_open(caller.account_id)
        last, requested = 0, 0
        while order_ids := await self._queries.cancelable(
            caller.account_id, instrument_id=instrument_id, side=side,
            after=last, up_to=newest, limit=_CANCELS_AT_ONCE,
        ):  # fmt: skip
            asks = [Cancel(caller, order_id, ids.to_uuid(order_id), None) for order_id in order_ids]
            requested += _requested(await self._intake.submit_many(asks))
            last = order_ids[-1]
        await answer_http_status(context, ACCEPTED_HTTP_STATUS)
        return order_pb2.CancelAllOrdersResponse(requested=requested, message="Cancels requested.")

    async def ReplaceOrder(
        self, request: order_pb2.ReplaceOrderRequest, context: Context
    ) -> order_pb2.ReplaceOrderResponse:
        """One replace."""
        caller = _caller(context)
        named = await self._named(caller, request.order_id)
        ask = reading.replace(request, caller, _header_key(context), named)
        answer = await self._answer(ask, context)
        return order_pb2.ReplaceOrderResponse(
            order_id=ids.to_uuid(answer.order_id),
            status=answer.status,  # type: ignore[arg-type]
            version=ask.version,
            message="Replace requested.",
        )

    async def CancelReplaceOrder(
        self, request: order_pb2.CancelReplaceOrderRequest, context: Context
    ) -> order_pb2.CancelReplaceOrderResponse:
        """One order instead of another."""
        caller = _caller(context)
        named = await self._named(caller, request.order_id)
        await self._catalog.seek(request.order.symbol)
        ask = reading.swap(request, caller, self._catalog, _header_key(context), named)
        answer = await self._answer(ask, context)
        return order_pb2.CancelReplaceOrderResponse(
            order_id=ids.to_uuid(answer.order_id),
            status=answer.status,  # type: ignore[arg-type]
            message="Cancel and order requested.",
        )

    @takes_bytes
    async def SubmitOrders(  # type: ignore[override]  # it takes bytes and answers with them
        self, request: bytes, context: Context
    ) -> bytes:
        """A list."""
        caller = _caller(context)
        items = items_of(request, caller, self._reader)
        _refuse_header_key(context, "items have keys of their own")
        results = await Conversation(self._intake, self._catalog, caller).submit(items)
        return encoding.results(results)

    @takes_bytes
    async def StreamOrders(  # type: ignore[override]  # it takes bytes and answers with them
        self, request_iterator: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        """A conversation."""
        caller = _caller(context)
        _refuse_header_key(context, "items have keys of their own")
        conversation = Conversation(self._intake, self._catalog, caller)
        async for results in conversation.follow(request_iterator, self._reader):
            for result in results:
                yield encoding.stream_result(result)

    async def GetOrder(
        self, request: order_pb2.GetOrderRequest, context: Context
    ) -> order_pb2.GetOrderResponse:
        """One order."""
        row = await self._queries.order(principal(context).account_id, request.order_id)
        return order_pb2.GetOrderResponse(order=views.order(row, self._catalog))

    async def ListOrders(
        self, request: order_pb2.ListOrdersRequest, context: Context
    ) -> order_pb2.ListOrdersResponse:
        """A page of orders."""
        account_id = principal(context).account_id
        filters = self._filters(request)
        limit, number = request.limit or _DEFAULT_LIMIT, request.page or 1
        if request.cursor:
            if request.page:
                raise _page_and_cursor(request.page)
            page = await self._queries.orders(
                account_id, filters, limit=limit, cursor=request.cursor
            )
            pagination = order_pb2.Pagination(limit=limit, next_cursor=page.next_cursor)
        else:
            page = await self._queries.orders(
                account_id, filters, limit=limit, offset=(number - 1) * limit
            )
            total = await self._queries.total(account_id, filters)
            pagination = order_pb2.Pagination(
                page=number, limit=limit, total=total, next_cursor=page.next_cursor
            )
        return order_pb2.ListOrdersResponse(data=self._orders(page), pagination=pagination)

    async def ListTrades(
        self, request: order_pb2.ListTradesRequest, context: Context
    ) -> order_pb2.ListTradesResponse:
        """A page of trades."""
        account_id = principal(context).account_id
        limit = request.limit or _DEFAULT_LIMIT
        page = await self._queries.trades(
            account_id,
            instrument_id=self._catalog.find(request.symbol).id if request.symbol else 0,
            order_id=reading.order_id_of(request.order_id) if request.order_id else 0,
            limit=limit,
            cursor=request.cursor,
        )
        return order_pb2.ListTradesResponse(
            data=[views.trade(row, self._catalog) for row in page.rows],
            pagination=order_pb2.Pagination(limit=limit, next_cursor=page.next_cursor),
        )

    async def _named(self, caller: Caller, name: str) -> int | None:
        """The order that is named by the caller's own id, 0: none is open; None: by its UUID."""
        if not name.startswith(CLIENT_ID_PREFIX):
            return None
        return await self._queries.open_order_id(caller.account_id, name)

    async def _answer(self, ask: Ask, context: Context) -> Answer:
        result = await self._intake.submit(ask)
        if isinstance(result, DomainError):
            raise result
        await answer_http_status(context, ACCEPTED_HTTP_STATUS)
        return result

    def _orders(self, page: Page) -> list[order_pb2.Order]:
        return [views.order(row, self._catalog) for row in page.rows]

    def _filters(self, request: order_pb2.ListOrdersRequest) -> OrderFilters:
        order_id = 0
        search = request.search
        try:
            order_id = ids.from_uuid(search)
        except ValueError:
            client_id_part = search
        else:
            client_id_part = ""
        has_from, has_to = request.HasField("from_date"), request.HasField("to_date")
        return OrderFilters(
            status=_label("status", request.status, Status),
            type=_label("type", request.type, OrderType),
            instrument_id=self._catalog.find(request.symbol).id if request.symbol else 0,
            created_from=reading.datetime_of(request.from_date) if has_from else None,
            created_before=reading.datetime_of(request.to_date) if has_to else None,
            order_id=order_id,
            client_id_part=client_id_part,
        )


class OrderQueryServicer(order_pb2_grpc.OrderQueryServiceServicer):
    """Orders across accounts; see the contract."""

    def __init__(self, catalog: Catalog, queries: Queries) -> None:
        self._catalog = catalog
        self._queries = queries

    async def GetOrdersByUser(
        self, request: order_pb2.GetOrdersByUserRequest, context: Context
    ) -> order_pb2.GetOrdersByUserResponse:
        """A page of one account's orders."""
        page = await self._queries.orders(
            request.account_id, OrderFilters(), limit=request.limit, cursor=request.cursor
        )
        return order_pb2.GetOrdersByUserResponse(
            orders=[views.order(row, self._catalog) for row in page.rows],
            next_cursor=page.next_cursor,
        )


class MarketCommandServicer(order_pb2_grpc.MarketCommandServiceServicer):
    """What belongs to markets; see the contract."""

    def __init__(
        self, markets: Mapping[int, Market], commands: MarketCommands, stops: Stops
    ) -> None:
        self._markets = markets
        self._commands = commands
        self._stops = stops

    async def SubmitMarketCommands(
        self, request: order_pb2.SubmitMarketCommandsRequest, context: Context
    ) -> order_pb2.SubmitMarketCommandsResponse:
        """Into the outbox, each once."""
        added = await self._commands.submit(self._market(request.market), request.commands)
        return order_pb2.SubmitMarketCommandsResponse(added=added)

    async def BeginVersion(
        self, request: order_pb2.BeginVersionRequest, context: Context
    ) -> order_pb2.BeginVersionResponse:
        """Into the outbox, alone and once."""
        market = self._market(request.market)
        added = await self._commands.begin_version(market, request.semantic_version)
        return order_pb2.BeginVersionResponse(added=added)

    async def GetMarketProgress(
        self, request: order_pb2.GetMarketProgressRequest, context: Context
    ) -> order_pb2.GetMarketProgressResponse:
        """As this process sees it."""
        market = self._market(request.market)
        return order_pb2.GetMarketProgressResponse(
            outbox_number=market.outbox_number,
            handed_over_number=market.handed_over_number,
            settled_number=market.settled_number,
            applied=trading_pb2.LogPosition(
                log_id=market.applied.log_id,
                sequence=market.applied.sequence,
                running_hash=market.applied.running_hash,
            ),
            unsettled_commands=market.unsettled.taken,
            stops=[
                order_pb2.Stop(
                    kind=kind,  # type: ignore[arg-type]
                    reason=stop.reason,
                    message=stop.message,
                    since_unix_ns=stop.since_unix_ns,
                )
                for kind, stop in sorted(market.stops.items())
            ],
        )

    async def ResolveStop(
        self, request: order_pb2.ResolveStopRequest, context: Context
    ) -> order_pb2.ResolveStopResponse:
        """Lets the market go on, or find that it cannot."""
        await self._stops.resolve(self._market(request.market), StopKind(request.kind))
        return order_pb2.ResolveStopResponse()

    def _market(self, market_id: int) -> Market:
        market = self._markets.get(market_id)
        if market is None:
            known = ", ".join(map(str, sorted(self._markets)))
            raise invalid(
                "UNKNOWN_MARKET",
                f"There is no market {market_id}: {known}.",
                field="market",
                value=str(market_id),
                rule=f"one of {known}",
            )
        return market


def _caller(context: Context) -> Caller:
    call = CURRENT_CALL.get()
    deadline = None if call is None or call.deadline is None else call.deadline - DEADLINE_SHAVE_S
    return reading.caller_of(principal(context), trace_id.get(), deadline)


def _header_key(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == IDEMPOTENCY_HEADER:
            return value if isinstance(value, str) else value.decode()
    return ""


def _requested(results: Sequence[Result]) -> int:
    """How many cancels are on their way. Raises what kept one of them back but its order's end."""
    for result in results:
        if isinstance(result, DomainError) and result.reason != NOT_LIVE:
            raise result
    return sum(not isinstance(result, DomainError) for result in results)


def _refuse_header_key(context: Context, instead: str) -> None:
    if _header_key(context):
        raise invalid(
            "IDEMPOTENCY_KEY_PER_ITEM",
            f"The header {IDEMPOTENCY_HEADER} is for one order: {instead}.",
            field="idempotency_key",
            value=_header_key(context),
            rule=f"for one order; {instead}",
        )


def _label(field: str, text: str, members: type[Status | OrderType]) -> str:
    """A filter as the database's label. Raises INVALID_FIELD."""
    if not text or text.upper() in members.__members__:
        return text.lower()
    rule = "one of " + ", ".join(members.__members__)
    message = f"Field {field}: {rule}; got {text!r}."
    raise invalid("INVALID_FIELD", message, field=field, value=text, rule=rule)


def _page_and_cursor(page: int) -> DomainError:
    return invalid(
        "PAGE_WITH_CURSOR",
        "A cursor says where the page begins: leave page out.",
        field="page",
        value=str(page),
        rule="not with a cursor",
    )
