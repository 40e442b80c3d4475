"""The states of an order: the whole table, and walks through it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trading.v1 import trading_pb2

from svc.order import lifecycle
from svc.order.lifecycle import CANCELABLE, FINAL, LIVE, Cause, NotApplicableError, Status

NEW, ACCEPTED, PARTIAL = Status.NEW, Status.ACCEPTED, Status.PARTIALLY_FILLED
FILLED, CANCELED, REJECTED, EXPIRED = (
    Status.FILLED,
    Status.CANCELED,
    Status.REJECTED,
    Status.EXPIRED,
)
CANCELING, REPLACING = Status.CANCEL_PENDING, Status.REPLACE_PENDING

# Of each state: cause -> (state while nothing is filled, state once something is). What is not
# here is refused. A fill is looked at apart.
EXPECTED: dict[Status, dict[Cause, tuple[Status, Status]]] = {
    NEW: {
        Cause.ACKNOWLEDGED: (ACCEPTED, ACCEPTED),
        Cause.REJECTED: (REJECTED, REJECTED),
        Cause.CANCEL_REQUESTED: (CANCELING, CANCELING),
    },
    ACCEPTED: {
        Cause.CANCEL_REQUESTED: (CANCELING, CANCELING),
        Cause.REPLACE_REQUESTED: (REPLACING, REPLACING),
        Cause.CANCELED: (CANCELED, CANCELED),
        Cause.EXPIRED: (EXPIRED, EXPIRED),
        Cause.TRIGGERED: (ACCEPTED, ACCEPTED),
        Cause.REDUCED: (ACCEPTED, ACCEPTED),
    },
    PARTIAL: {
        Cause.CANCEL_REQUESTED: (CANCELING, CANCELING),
        Cause.REPLACE_REQUESTED: (REPLACING, REPLACING),
        Cause.CANCELED: (CANCELED, CANCELED),
        Cause.EXPIRED: (EXPIRED, EXPIRED),
        Cause.TRIGGERED: (PARTIAL, PARTIAL),
        Cause.REDUCED: (PARTIAL, PARTIAL),
    },
    CANCELING: {
        Cause.ACKNOWLEDGED: (CANCELING, CANCELING),
        Cause.REJECTED: (REJECTED, REJECTED),
        Cause.CANCELED: (CANCELED, CANCELED),
        Cause.EXPIRED: (EXPIRED, EXPIRED),
        Cause.CANCEL_REJECTED: (ACCEPTED, PARTIAL),
        Cause.REPLACED: (CANCELING, CANCELING),
        Cause.REPLACE_REJECTED: (CANCELING, CANCELING),
        Cause.TRIGGERED: (CANCELING, CANCELING),
        Cause.REDUCED: (CANCELING, CANCELING),
    },
    REPLACING: {
        Cause.CANCEL_REQUESTED: (CANCELING, CANCELING),
        Cause.CANCELED: (CANCELED, CANCELED),
        Cause.EXPIRED: (EXPIRED, EXPIRED),
        Cause.REPLACED: (ACCEPTED, PARTIAL),
        Cause.REPLACE_REJECTED: (ACCEPTED, PARTIAL),
        Cause.CANCEL_REJECTED: (ACCEPTED, PARTIAL),
        Cause.TRIGGERED: (REPLACING, REPLACING),
        Cause.REDUCED: (REPLACING, REPLACING),
    },
} | {
    final: {
        Cause.CANCEL_REJECTED: (final, final),
        Cause.REPLACE_REJECTED: (final, final),
    }
    for final in FINAL
}


@pytest.mark.spec(
    "sm-new-accepted",
    "sm-new-rejected",
    "sm-accepted-cancel",
    "sm-partial-cancel",
    "sm-cancel-canceled",
    "sm-accepted-replace",
    "sm-replace-replaced",
    "sm-expired",
)
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.FILL])
def test_every_cause_in_every_state_goes_where_the_table_says_or_is_refused(
    status: Status, cause: Cause
) -> None:
    expected = EXPECTED[status].get(cause)
    for filled_lots in (0, 7):
        if expected is None:
            with pytest.raises(NotApplicableError):
                lifecycle.after(status, cause, filled_lots=filled_lots)
        else:
            assert lifecycle.after(status, cause, filled_lots=filled_lots) == (
                expected[1] if filled_lots else expected[0]
            )


@pytest.mark.spec("sm-accepted-partial", "sm-accepted-filled", "sm-partial-filled")
@pytest.mark.parametrize("status", [ACCEPTED, PARTIAL])
def test_a_fill_of_a_part_leaves_a_working_order_partially_filled(status: Status) -> None:
    assert lifecycle.after(status, Cause.FILL, filled_lots=1) == PARTIAL
    assert lifecycle.after(status, Cause.FILL, filled_lots=9, whole=True) == FILLED


@pytest.mark.parametrize("status", [CANCELING, REPLACING])
def test_a_partial_fill_keeps_the_pending_request_and_a_full_one_ends_it(status: Status) -> None:
    assert lifecycle.after(status, Cause.FILL, filled_lots=1) == status
    assert lifecycle.after(status, Cause.FILL, filled_lots=9, whole=True) == FILLED


@pytest.mark.parametrize("status", [NEW, *FINAL])
def test_a_fill_before_the_acknowledgement_or_after_the_end_is_refused(status: Status) -> None:
    with pytest.raises(NotApplicableError, match=status.name):
        lifecycle.after(status, Cause.FILL, filled_lots=1)


@given(st.lists(st.tuples(st.sampled_from(Cause), st.booleans()), max_size=30))
def test_no_walk_ever_leaves_a_final_state(steps: list[tuple[Cause, bool]]) -> None:
    status, filled_lots, ended = int(NEW), 0, False
    for cause, whole in steps:
        try:
            filled = filled_lots + (cause is Cause.FILL)
            after = lifecycle.after(status, cause, filled_lots=filled, whole=whole)
        except NotApplicableError:
            continue
        assert not ended or after == status
        status, filled_lots = after, filled
        ended = status in FINAL
        assert (status in LIVE) is not ended
        assert status != PARTIAL or filled_lots


def test_states_have_the_numbers_of_the_contract() -> None:
    contract = trading_pb2.OrderStatus.Value.items()
    assert {status.name: int(status) for status in Status} | {"UNSPECIFIED": 0} == dict(contract)


def test_a_cancel_is_new_in_every_live_state_but_its_own() -> None:
    assert {*CANCELABLE, CANCELING} == LIVE
