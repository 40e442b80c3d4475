"""The catalog in PostgreSQL."""

import asyncio
from dataclasses import replace

import pytest

from svc.metadata.catalog import (
    CatalogError,
    DefinitionSeen,
    DefinitionWish,
    Known,
    Position,
    State,
    StateSeen,
    StateWish,
)
from svc.metadata.store import Store
from tests.metadata.examples import ASSETS, PERPETUAL, SPOT, TERMS, USDT

CHEAPER = replace(SPOT, terms=replace(TERMS, maker_fee_ppm=1_000, reference_price=""))


async def test_what_was_put_is_what_is_loaded(store: Store) -> None:
    await store.put(ASSETS, [SPOT, PERPETUAL])
    catalog = await store.load()
    assert tuple(catalog.assets.values()) == ASSETS
    assert [row.definition for row in catalog.instruments.values()] == [SPOT, PERPETUAL]
    listed = catalog.instruments[SPOT.id]
    assert (listed.version, listed.state_version, listed.known) == (1, 1, None)
    assert (listed.wished_state, listed.status) == (State.TRADING, State.HALTED)


async def test_smallest_decimals_come_back_as_they_went_in(store: Store) -> None:
    fine = replace(USDT, ledger_scale=24)
    terms = replace(TERMS, min_notional="0", max_quantity="0.0000000001", reference_price="")
    tiny = replace(SPOT, tick_size="0.00000000000001", lot_size="0.0000000001", terms=terms)
    await store.put([fine, ASSETS[1]], [tiny])
    assert (await store.load()).instruments[SPOT.id].definition == tiny


async def test_a_band_is_kept_and_a_change_of_it_is_a_version(store: Store) -> None:
    banded = replace(SPOT, terms=replace(TERMS, band_bps=300, band_auction=True))
    await store.put(ASSETS, [SPOT])
    await store.put(ASSETS, [banded])
    listed = (await store.load()).instruments[SPOT.id]
    assert (listed.version, listed.definition.terms) == (2, banded.terms)
    wishes, _ = await store.unconfirmed(1, 10)
    assert [(wish.version, wish.definition.terms.band_bps) for wish in wishes] == [(1, 0), (2, 300)]


async def test_same_put_again_makes_no_version_and_a_change_makes_one(store: Store) -> None:
    await store.put(ASSETS, [SPOT])
    written = replace(SPOT, tick_size="0.010", initial_state=State.HALTED)
    await store.put(ASSETS, [written])
    assert (await store.load()).instruments[SPOT.id].version == 1
    await store.put([replace(USDT, name="Tether USD")], [CHEAPER])
    catalog = await store.load()
    assert catalog.assets[USDT.id].name == "Tether USD"
    listed = catalog.instruments[SPOT.id]
    assert (listed.version, listed.definition.terms) == (2, CHEAPER.terms)
    assert listed.wished_state is State.TRADING


async def test_one_wrong_row_keeps_every_row_out(store: Store) -> None:
    with pytest.raises(CatalogError) as refused:
        await store.put(ASSETS, [SPOT, replace(PERPETUAL, lot_size="1.5e1")])
    assert [problem.index for problem in refused.value.problems] == [1]
    assert (await store.load()).assets == {}


async def test_puts_at_once_count_versions_without_gaps(store: Store) -> None:
    await store.put(ASSETS, [SPOT])
    fees = range(1_001, 1_009)
    changed = [replace(SPOT, terms=replace(TERMS, maker_fee_ppm=fee)) for fee in fees]
    await asyncio.gather(*(store.put([], [definition]) for definition in changed))
    definitions, _ = await store.unconfirmed(1, 100)
    assert [wish.version for wish in definitions] == list(range(1, 10))
    assert {wish.definition.terms.maker_fee_ppm for wish in definitions} == {1_500, *fees}


async def test_every_unconfirmed_version_is_sent_and_only_the_first_has_a_state(
    store: Store,
) -> None:
    await store.put(ASSETS, [SPOT])
    await store.put([], [CHEAPER])
    assert await store.wish(SPOT.id, State.HALTED) == 2
    first, second = replace(SPOT), replace(CHEAPER, initial_state=State.HALTED)
    assert await store.unconfirmed(1, 100) == (
        [DefinitionWish(first, 1, State.TRADING), DefinitionWish(second, 2, None)],
        [StateWish(SPOT.id, 2, State.HALTED)],
    )
    assert await store.unconfirmed(2, 100) == ([], [])


async def test_events_confirm_wishes_and_tell_the_state(store: Store) -> None:
    await store.put(ASSETS, [SPOT])
    await store.wish(SPOT.id, State.HALTED)
    await store.learn([DefinitionSeen(SPOT.id, 1, State.TRADING, 1)])
    assert await store.unconfirmed(1, 100) == ([], [StateWish(SPOT.id, 2, State.HALTED)])
    await store.learn([StateSeen(SPOT.id, State.HALTED, 2, 5)])
    assert await store.unconfirmed(1, 100) == ([], [])
    known = Known(version=1, state=State.HALTED, state_version=2, sequence=5)
    assert (await store.load()).instruments[SPOT.id].known == known


async def test_events_that_were_seen_before_change_nothing(store: Store) -> None:
    await store.put(ASSETS, [SPOT])
    news: list[DefinitionSeen | StateSeen] = [
        DefinitionSeen(SPOT.id, 1, State.TRADING, 1),
        StateSeen(SPOT.id, State.HALTED, 0, 2),
        StateSeen(SPOT.id, State.TRADING, 0, 3),
    ]
    await store.learn(news)
    await store.learn(news[:2])
    listed = (await store.load()).instruments[SPOT.id]
    assert listed.known == Known(version=1, state=State.TRADING, state_version=1, sequence=3)


async def test_what_the_engine_knows_at_a_position_confirms_wishes_and_is_followed_from(
    store: Store,
) -> None:
    await store.put(ASSETS, [SPOT])
    await store.wish(SPOT.id, State.HALTED)
    await store.learn([DefinitionSeen(SPOT.id, 1, State.TRADING, 1)])
    reached, known = Position("a" * 32, 7, 2**64 - 1), Known(1, State.HALTED, 2, 7)
    await store.begin(1, reached, {SPOT.id: known, 99: known})
    assert await store.position(1) == reached
    assert await store.unconfirmed(1, 100) == ([], [])
    await store.learn([StateSeen(SPOT.id, State.TRADING, 0, 6)])
    assert (await store.load()).instruments[SPOT.id].known == known


async def test_wish_that_stands_is_not_repeated_until_the_engine_undid_it(store: Store) -> None:
    await store.put(ASSETS, [SPOT])
    assert await store.wish(SPOT.id, State.TRADING) == 1
    await store.learn(
        [
            DefinitionSeen(SPOT.id, 1, State.TRADING, 1),
            StateSeen(SPOT.id, State.HALTED, 0, 2),
        ]
    )
    assert await store.wish(SPOT.id, State.TRADING) == 2
    assert await store.wish(SPOT.id, State.TRADING) == 2


async def test_delisted_market_cannot_be_wished_back(store: Store) -> None:
    await store.put(ASSETS, [SPOT])
    await store.wish(SPOT.id, State.DELISTED)
    with pytest.raises(CatalogError, match="gone for good"):
        await store.wish(SPOT.id, State.TRADING)


async def test_instrument_that_is_not_listed_here_is_learnt_without_harm(store: Store) -> None:
    await store.learn([DefinitionSeen(99, 1, State.TRADING, 1)])
    assert (await store.load()).instruments == {}


async def test_position_is_kept_with_its_whole_hash(store: Store) -> None:
    assert await store.position(1) == Position()
    reached = Position("a" * 32, 2**40, 2**64 - 1)
    await store.move(1, Position("a" * 32, 1, 0))
    await store.move(1, reached)
    assert await store.position(1) == reached
