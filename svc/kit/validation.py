"""Checks of a message against the ``buf.validate`` rules written in the protos.

The rules live in the contracts alone; a message type without rules, its own or of a field's type,
costs one dictionary look-up.
"""

from __future__ import annotations

from typing import Any, cast

import protovalidate
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from svc.kit.errors import DomainError, invalid

_LONGEST_SHOWN_VALUE = 100  # characters of a refused value that the error repeats

_WITH_RULES: dict[type[Message], bool] = {}  # fixed per type, found out on first use


def validate(message: Message) -> None:
    """Raises INVALID_ARGUMENT, reason INVALID_FIELD, for the first rule that is broken.

    Metadata: ``field`` (path from the message, ``items[3].create.symbol``), ``value`` (at most
    100 characters, empty for messages), ``rule`` (its id, ``string.min_len``).
    """
    if not has_rules(type(message)):
        return
    violations = protovalidate.collect_violations(message, fail_fast=True)
    if violations:
        raise _to_error(violations[0])


def prepare(message: Message) -> None:
    """Compiles the rules of a message's type, which the first check would do for 10 ms.

    Raises protovalidate.CompilationError for rules that make no sense.
    """
    if has_rules(type(message)):
        protovalidate.collect_violations(message)


def has_rules(message_type: type[Message]) -> bool:
    """Whether a message of this type, or anything inside it, has a rule to check."""
    known = _WITH_RULES.get(message_type)
    if known is None:
        known = _WITH_RULES[message_type] = _search_rules(message_type)
    return known


def _search_rules(message_type: type[Message]) -> bool:
    seen: set[str] = set()
    waiting = [cast("Descriptor", message_type.DESCRIPTOR)]
    while waiting:
        current = waiting.pop()
        if current.full_name in seen:
            continue
        seen.add(current.full_name)
        if _own_rules(current):
            return True
        waiting.extend(f.message_type for f in current.fields if f.message_type is not None)
    return False


def _own_rules(descriptor: Descriptor) -> bool:
    options: Any = validate_pb2  # generated stubs leave out whose options an extension extends
    return (
        descriptor.GetOptions().HasExtension(options.message)
        or any(f.GetOptions().HasExtension(options.field) for f in descriptor.fields)
        or any(o.GetOptions().HasExtension(options.oneof) for o in descriptor.oneofs)
    )


def _to_error(violation: protovalidate.Violation) -> DomainError:
    proto = violation.proto
    field = _path(violation)
    value = violation.field_value
    shown = "" if value is None or isinstance(value, Message) else str(value)
    shown = shown[:_LONGEST_SHOWN_VALUE]
    rule = proto.rule_id
    message = f"Field {field}: {proto.message or rule}; got {shown!r}."
    return invalid("INVALID_FIELD", message, field=field, value=shown, rule=rule)


def _path(violation: protovalidate.Violation) -> str:
    field = violation.proto.field
    if field is None:  # a rule of the message as a whole
        return "(message)"
    parts = []
    for element in field.elements:
        key = element.subscript
        parts.append(element.field_name if key is None else f"{element.field_name}[{key.value}]")
    return ".".join(parts)
