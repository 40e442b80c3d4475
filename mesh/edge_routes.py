"""Reads the edge's routes out of the contracts.

Owns the answer to "which methods does the outside world reach, and under which paths". It comes
from the method options in the descriptor set alone, so that a method nobody marked public cannot
be routed by accident.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from google.api.annotations_pb2 import http
from google.api.http_pb2 import HttpRule
from google.protobuf import descriptor_pb2
from kit.v1 import options_pb2

_VERBS = ("get", "put", "post", "delete", "patch")
_VARIABLE = re.compile(r"\{[a-z_]+\}")


@dataclass(frozen=True, slots=True, order=True)
class HttpBinding:
    """One REST spelling of a method: verb in upper case, path template as in the contract."""

    path: str
    verb: str
    body_fields: tuple[tuple[str, str], ...] = ()
    """Each spelling of a field of the body and the field's name; empty without a body."""

    @property
    def is_literal(self) -> bool:
        """Whether the path has no variable; such a path wins over one that has."""
        return "{" not in self.path

    @property
    def regex(self) -> str:
        """RE2 pattern that the whole path, without query, must match."""
        parts = _VARIABLE.split(self.path)
        return "[^/]+".join(re.escape(part) for part in parts)

    @property
    def lua_pattern(self) -> str:
        """Lua pattern that verb, space and the whole path must match."""
        parts = _VARIABLE.split(f"{self.verb} {self.path}")
        return "^" + "[^/]+".join(re.sub(r"([^\w/ ])", r"%\1", part) for part in parts) + "$"


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC and who may call it."""

    service: str
    name: str
    public: bool
    anonymous: bool
    callers: tuple[str, ...]
    streaming: bool
    bindings: tuple[HttpBinding, ...]

    @property
    def grpc_path(self) -> str:
        """The path on the wire: /package.Service/Method."""
        return f"/{self.service}/{self.name}"

    @property
    def mesh_service(self) -> str:
        """The service of the mesh that serves it: the first part of its package."""
        return self.service.split(".", 1)[0]


def read_methods(descriptor_set: Path) -> list[Method]:
    """All methods of our own contracts, by gRPC path. Raises OSError when the file is missing."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set.read_bytes()).file
    messages = {
        f".{file.package}.{message.name}": message
        for file in files
        for message in file.message_type
    }
    methods = [
        _method(f"{file.package}.{service.name}", method, messages)
        for file in files
        for service in file.service
        for method in service.method
        if not file.package.startswith(("google.", "grpc.", "buf."))
    ]
    return sorted(methods, key=lambda method: method.grpc_path)


def _method(
    service: str,
    method: descriptor_pb2.MethodDescriptorProto,
    messages: Mapping[str, descriptor_pb2.DescriptorProto],
) -> Method:
    request = messages[method.input_type]
    access = method.options.Extensions[options_pb2.access]
    return Method(
        service=service,
        name=method.name,
        public=access.public,
        anonymous=access.anonymous,
        callers=tuple(access.callers),
        streaming=method.client_streaming or method.server_streaming,
        bindings=tuple(_bindings(method.options.Extensions[cast("Any", http)], request, messages)),
    )


def _bindings(
    rule: HttpRule,
    request: descriptor_pb2.DescriptorProto,
    messages: Mapping[str, descriptor_pb2.DescriptorProto],
) -> Iterator[HttpBinding]:
    verb = rule.WhichOneof("pattern")
    if verb in _VERBS:
        path: str = getattr(rule, verb)
        fields = _spellings(_body(rule.body, request, messages), path) if rule.body else ()
        yield HttpBinding(path=path, verb=verb.upper(), body_fields=fields)
    for additional in rule.additional_bindings:
        yield from _bindings(additional, request, messages)


def _body(
    name: str,
    request: descriptor_pb2.DescriptorProto,
    messages: Mapping[str, descriptor_pb2.DescriptorProto],
) -> descriptor_pb2.DescriptorProto:
    """The message that a body is read into: the request, or that of one of its fields."""
    if name == "*":
        return request
    return next(messages[field.type_name] for field in request.field if field.name == name)


def _spellings(message: descriptor_pb2.DescriptorProto, path: str) -> tuple[tuple[str, str], ...]:
    """Of the fields that the path does not give already."""
    names = {
        name: field.name
        for field in message.field
        if f"{{{field.name}}}" not in path
        for name in (field.name, field.json_name)
    }
    return tuple(names.items())


def route_table(methods: list[Method]) -> list[str]:
    """The golden table: a line per public spelling, with who is let through."""
    lines = []
    for method in methods:
        if not method.public:
            continue
        who = "anyone" if method.anonymous else "trader"
        lines.append(f"{'GRPC':6} {method.grpc_path:52} {who}")
        lines += [
            f"{binding.verb:6} {binding.path:52} {who}  {method.grpc_path}"
            for binding in method.bindings
        ]
    return lines
