"""How one catalog becomes the next."""

from dataclasses import replace

from svc.metadata.catalog import Catalog, Known, State, changes, needs_wish
from tests.metadata.examples import ASSETS, CATALOG, LISTED, SPOT, TERMS, USDT


def test_putting_what_is_there_changes_nothing() -> None:
    assert not changes(CATALOG, ASSETS, [SPOT])


def test_initial_state_of_a_listed_instrument_changes_nothing() -> None:
    assert not changes(CATALOG, [], [replace(SPOT, initial_state=State.HALTED)])


def test_new_rows_are_added_and_known_ones_changed() -> None:
    cheaper = replace(SPOT, terms=replace(TERMS, maker_fee_ppm=1_000))
    named = replace(USDT, name="Tether USD")
    found = changes(CATALOG, [named], [cheaper])
    assert (found.assets_renamed, found.instruments_changed) == ((named,), (cheaper,))
    fresh = changes(Catalog(), ASSETS, [SPOT])
    assert (fresh.assets_added, fresh.instruments_added) == (ASSETS, (SPOT,))


def test_a_wish_is_new_when_another_state_is_wished() -> None:
    assert needs_wish(LISTED, State.HALTED)
    assert not needs_wish(LISTED, State.TRADING)


def test_the_same_wish_is_new_again_after_the_engine_halted_by_itself() -> None:
    halted = Known(version=1, state=State.HALTED, state_version=1, sequence=9)
    assert needs_wish(replace(LISTED, known=halted), State.TRADING)


def test_the_same_wish_is_not_new_while_it_is_on_its_way() -> None:
    on_its_way = replace(LISTED, state_version=2, known=Known(1, State.HALTED, 1, 9))
    assert not needs_wish(on_its_way, State.TRADING)
