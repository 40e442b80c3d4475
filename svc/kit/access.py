"""Who may call which method, read from the contracts and nowhere else.

Every method carries the option ``kit.v1.access``. A method that names nobody, or contradicts
itself, keeps its service from starting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from kit.v1 import options_pb2

from svc.kit.errors import DomainError, permission_denied
from svc.kit.identity import EDGE


class AccessOptionError(Exception):
    """A method's access option is missing or contradicts itself."""


@dataclass(frozen=True, slots=True)
class MethodAccess:
    """Who may call one method."""

    method: str
    """Full path, ``/package.Service/Method``."""
    callers: frozenset[str]
    """Identities that may call it; ``edge`` among them when the method is public."""
    anonymous: bool
    """Whether the edge calls it for users without a token."""

    def refusal(self, caller: str) -> DomainError:
        """The error for a caller that is known and not listed."""
        allowed = ", ".join(sorted(self.callers))
        return permission_denied(
            "CALLER_NOT_ALLOWED",
            f"{self.method} may not be called by {caller}; it is for {allowed}.",
            method=self.method,
            caller=caller,
            allowed=allowed,
        )


def service_access(service_name: str) -> dict[str, MethodAccess]:
    """Access of every method of a service of the loaded protos, by the method's short name.

    Raises AccessOptionError for a method without the option, one that names nobody, anonymous
    without public, or the edge among the callers (``public`` says that).
    """
    service: ServiceDescriptor = descriptor_pool.Default().FindServiceByName(service_name)
    return {method.name: _method_access(service_name, method) for method in service.methods}


def _method_access(service_name: str, method: MethodDescriptor) -> MethodAccess:
    path = f"/{service_name}/{method.name}"
    options = method.GetOptions()
    extension: Any = options_pb2.access  # generated stubs leave out whose options it extends
    if not options.HasExtension(extension):
        raise AccessOptionError(f"{path} has no kit.v1.access option: say who may call it.")
    access: options_pb2.Access = options.Extensions[extension]
    callers = set(access.callers)
    if EDGE in callers:
        raise AccessOptionError(f"{path} lists {EDGE} as a caller: say `public: true` instead.")
    if access.anonymous and not access.public:
        raise AccessOptionError(f"{path} is anonymous and not public: only the edge has users.")
    if access.public:
        callers.add(EDGE)
    if not callers:
        raise AccessOptionError(f"{path} names no caller: nobody could call it.")
    return MethodAccess(path, frozenset(callers), access.anonymous)
