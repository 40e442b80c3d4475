"""Rules of the protos: which is broken, where, by what value."""

from __future__ import annotations

import grpc
import pytest
from order.v1 import order_pb2
from risk.v1 import risk_pb2
from trading.v1 import trading_pb2

from svc.kit.errors import DomainError
from svc.kit.validation import has_rules, validate
from tests.kit.rpc.messages import order


def test_a_message_that_keeps_every_rule_passes() -> None:
    validate(order())


def test_a_broken_rule_is_told_by_field_value_and_rule() -> None:
    with pytest.raises(DomainError) as raised:
        validate(order(symbol="X" * 200))
    assert (raised.value.code, raised.value.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
    )
    metadata = raised.value.metadata
    assert (metadata["field"], metadata["rule"]) == ("symbol", "string.max_len")
    assert metadata["value"] == "X" * 100  # as much as is shown of it
    assert "at most 32 characters" in raised.value.message


def test_a_rule_inside_a_message_is_told_with_the_path_to_it() -> None:
    request = risk_pb2.SetAccountLimitsRequest(
        account_id=1, limits=risk_pb2.AccountLimits(max_notional="1e5", max_quantity="0")
    )
    with pytest.raises(DomainError) as raised:
        validate(request)
    assert raised.value.metadata["field"] == "limits.max_notional"
    assert raised.value.metadata["value"] == "1e5"


def test_a_missing_message_has_no_value_to_show() -> None:
    with pytest.raises(DomainError) as raised:
        validate(risk_pb2.SetKillSwitchRequest())
    assert raised.value.metadata == {"field": "kill_switch", "value": "", "rule": "required"}


def test_a_type_without_rules_is_known_to_have_none() -> None:
    assert not has_rules(trading_pb2.LogPosition)
    assert has_rules(order_pb2.CreateOrderRequest)
    assert has_rules(risk_pb2.SetKillSwitchRequest)  # by its fields' types alone it would
