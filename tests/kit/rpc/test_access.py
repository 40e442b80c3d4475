"""Every method says who may call it, and a service with one that does not refuses to start."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from kit.v1 import options_pb2
from prometheus_client import CollectorRegistry

from svc.kit.access import AccessOptionError, service_access
from svc.kit.identity import Identities
from svc.kit.pipeline import HandlerShapeError, HandlerTable, Pipeline
from svc.kit.telemetry import RpcMetrics


def declare(package: str, access: options_pb2.Access | None) -> str:
    """Add a proto service with one method to the loaded protos; give its full name."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto",
        package=package,
        syntax="proto3",
        dependency=["kit/v1/options.proto"],
    )
    file.message_type.add(name="Empty")
    method = file.service.add(name="Service").method.add(
        name="Do", input_type=f".{package}.Empty", output_type=f".{package}.Empty"
    )
    if access is not None:
        extension: Any = options_pb2.access
        method.options.Extensions[extension].CopyFrom(access)
    descriptor_pool.Default().Add(file)
    return f"{package}.Service"


def test_a_listed_caller_may_call_and_the_edge_only_what_is_public() -> None:
    internal = service_access(declare("listed", options_pb2.Access(callers=["order", "mesh"])))
    assert internal["Do"].callers == {"order", "mesh"}
    public = service_access(declare("shown", options_pb2.Access(public=True, callers=["mesh"])))
    assert public["Do"].callers == {"edge", "mesh"}
    assert public["Do"].method == "/shown.Service/Do"


@pytest.mark.parametrize(
    ("package", "access", "says"),
    [
        ("silent", None, "no kit.v1.access option"),
        ("nobody", options_pb2.Access(), "names no caller"),
        ("edged", options_pb2.Access(callers=["edge"]), "say `public: true`"),
        ("loose", options_pb2.Access(anonymous=True, callers=["mesh"]), "not public"),
    ],
)
def test_a_method_that_names_nobody_or_contradicts_itself_is_refused(
    package: str, access: options_pb2.Access | None, says: str
) -> None:
    with pytest.raises(AccessOptionError, match=f"/{package}.Service/Do.*{says}"):
        service_access(declare(package, access))


def test_a_handler_that_is_not_async_is_refused() -> None:
    name = declare("blocking", options_pb2.Access(callers=["mesh"]))
    table = HandlerTable(Pipeline("x", Identities({}), RpcMetrics(CollectorRegistry())))
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, _context: request)
    with pytest.raises(
        HandlerShapeError, match=r"/blocking\.Service/Do must be written with `async"
    ):
        table.add_registered_method_handlers(name, {"Do": handler})
