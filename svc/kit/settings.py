"""Configuration of a process: typed, from the environment, complete before anything is opened.

A variable keeps the name the specification gives it (POSTGRES_URL, ORDER_GRPC_PORT); all others
begin with MESH_, and a MESH_ variable that nobody knows stops the process, for it is a typing
mistake. Secrets are files, never variables. A service adds its own in svc/<name>/config.py by
deriving from Settings; rules over several values are model validators there.
"""

from __future__ import annotations

import difflib
import importlib
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from svc.kit.schema import SERVICES as SERVICE_PACKAGES
from svc.topology import MARKET, MOST_MARKETS, engine_of, entries

PREFIX = "MESH_"

_TARGET_VARIABLES = {
    "order": "ORDER_SERVICE_GRPC_URL",
    "wallet": "WALLET_SERVICE_URL",
    "risk": "RISK_SERVICE_GRPC_URL",
    "metadata": "METADATA_SERVICE_URL",
    "engine": "MATCHING_ENGINE_GRPC_URL",
    "marketdata": "MARKETDATA_SERVICE_GRPC_URL",
} | {
    engine_of(market): f"MATCHING_ENGINE_{market}_GRPC_URL"
    for market in range(MARKET + 1, MOST_MARKETS + 1)
}
"""Where callers find a service; the names are the specification's where it has one."""

_OF_OTHER_PROGRAMS = frozenset(
    {"MESH_EDGE_SECRET", "MESH_JWKS", "MESH_REQUIRE_ALL", "MESH_SOAK_SEED"}
)
"""Read by the edge and by the tests, whose children inherit them."""

_MAX_PORT = 65_535


class SettingsError(Exception):
    """The environment cannot be used; the message names each variable, its value and the rule."""


class Settings(BaseSettings):
    """What every process needs. Made by `load`; frozen."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        hide_input_in_errors=True,
    )

    postgres_url: SecretStr = Field(validation_alias="POSTGRES_URL")
    """PostgreSQL: postgresql://user@host:port/database, or postgresql:///database?host=/folder for
    a Unix socket. Services connect as their own roles; its user serves `mesh migrate`. Required."""

    redis_url: SecretStr = Field(validation_alias="REDIS_URL")
    """Redis or Valkey: redis://host:port/0 or unix:///path. Required."""

    secrets_dir: Path
    """Folder of identities and passwords (svc/kit/identity.py, docs/configuration.md). Required."""

    environment: Literal["development", "production"] = "development"
    """Stands in every log line."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is written."""

    listen_host: str = "127.0.0.1"
    """The interface that gRPC and HTTP servers listen on."""

    drain_ms: int = Field(default=0, ge=0, le=60_000)
    """How long a stopping process reports not ready and still serves, milliseconds: longer than
    whoever routes calls to it takes to notice. 0 where nothing does, as on a single machine."""

    markets: int = Field(default=MARKET, ge=MARKET, le=MOST_MARKETS)
    """MESH_MARKETS: how many markets there are, numbered from 1, each with an engine and a log of
    its own (docs/markets.md). May be raised, never lowered."""

    instance: str = Field(default_factory=socket.gethostname, min_length=1, max_length=64)
    """Name of this replica in leases: its own, and the same after a restart. Default: the host's
    name."""

    @field_validator("postgres_url")
    @classmethod
    def _names_postgres(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        return url

    @field_validator("redis_url")
    @classmethod
    def _names_redis(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return url

    @field_validator("secrets_dir")
    @classmethod
    def _is_folder(cls, folder: Path) -> Path:
        if not folder.is_dir():
            raise ValueError("must be a folder; `mesh up` makes one")
        return folder

    @classmethod
    def load(cls) -> Self:
        """Read the process's environment. Raises SettingsError with everything that is wrong."""
        _refuse_unknown(os.environ)
        return cls._read({})

    @classmethod
    def of(cls, process: Settings) -> Self:
        """A service's settings: its process's, and its own from the environment.

        The process's themselves where they are of this class already, as a test makes them.
        Raises SettingsError.
        """
        if isinstance(process, cls):
            return process
        return cls._read({name: getattr(process, name) for name in Settings.model_fields})

    @classmethod
    def _read(cls, given: dict[str, Any]) -> Self:
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError("\n".join(_complaints(cls, error))) from None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service listens and where its callers find it."""

    grpc_port: int
    http_port: int
    target: str
    """host:port or unix:/path, for a gRPC channel."""


def load_markets(environ: Mapping[str, str]) -> int:
    """How many markets there are, for whoever has no Settings. Raises SettingsError."""
    text = environ.get("MESH_MARKETS") or str(MARKET)
    if not (text.isascii() and text.isdecimal() and MARKET <= int(text) <= MOST_MARKETS):
        raise SettingsError(f"MESH_MARKETS is {text!r}: must be {MARKET}..{MOST_MARKETS}")
    return int(text)


def ports_of(name: str) -> tuple[str, str]:
    """The variables that move a service's ports: of gRPC, and of HTTP."""
    upper = name.upper().replace("-", "_")
    return f"{upper}_GRPC_PORT", f"{upper}_HTTP_PORT"


def load_endpoints(environ: Mapping[str, str]) -> Mapping[str, Endpoint]:
    """The endpoint of every service by its name: the topology's, moved by the environment.

    <NAME>_GRPC_PORT and <NAME>_HTTP_PORT move a service, the variables of _TARGET_VARIABLES say
    where another machine runs it; MESH_MARKETS says how many engines there are. Raises
    SettingsError, also where two services share a port.
    """
    endpoints = {}
    owners: dict[int, str] = {}
    for name, entry in entries(load_markets(environ)).items():
        ports = []
        defaults = (entry.grpc_port, entry.http_port)
        for variable, default in zip(ports_of(name), defaults, strict=True):
            port = _port(variable, environ.get(variable, str(default)))
            if port and owners.setdefault(port, variable) != variable:
                raise SettingsError(
                    f"{variable} is {port}, which {owners[port]} has already: ports must differ"
                )
            ports.append(port)
        grpc_port, http_port = ports
        variable = _TARGET_VARIABLES[name]
        target = _target(variable, environ.get(variable, f"127.0.0.1:{grpc_port}"))
        endpoints[name] = Endpoint(grpc_port, http_port, target)
    return endpoints


def _port(variable: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= _MAX_PORT):
        raise SettingsError(f"{variable} is {text!r}: must be a port, 0..{_MAX_PORT} (0: any free)")
    return int(text)


def _target(variable: str, text: str) -> str:
    host, _, port = text.rpartition(":")
    if text.startswith("unix:/") or (host and "/" not in text and port.isdecimal()):
        return text
    raise SettingsError(f"{variable} is {text!r}: must be host:port or unix:/path")


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = _OF_OTHER_PROGRAMS | {name for cls in _declared() for name in _variables(cls).values()}
    complaints = []
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in known:
            near = difflib.get_close_matches(variable, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "nothing reads it"
            complaints.append(f"{variable} is set and unknown: {hint}")
    if complaints:
        raise SettingsError("\n".join(complaints))


def _declared() -> Iterator[type[Settings]]:
    """Every settings class, of all services: processes of one machine share an environment."""
    for path in SERVICE_PACKAGES.glob("*/config.py"):
        importlib.import_module(f"svc.{path.parent.name}.config")
    found: list[type[Settings]] = [Settings]
    while found:
        cls = found.pop()
        yield cls
        found += cls.__subclasses__()


def _variables(cls: type[Settings]) -> dict[str, str]:
    """The environment variable of each field."""
    return {
        name: str(field.validation_alias or f"{PREFIX}{name.upper()}")
        for name, field in cls.model_fields.items()
    }


def _complaints(cls: type[Settings], error: ValidationError) -> Iterator[str]:
    variables = _variables(cls)
    for problem in error.errors(include_url=False, include_context=False):
        rule = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:  # a rule over several values names them itself
            yield rule
            continue
        name = str(problem["loc"][0])
        variable = variables.get(name, name)
        if problem["type"] == "missing":
            yield f"{variable} is not set: it is required"
            continue
        secret = cls.model_fields[_field_of(variables, variable)].annotation is SecretStr
        value = "(hidden)" if secret else repr(os.environ.get(variable))
        yield f"{variable} is {value}: {rule[:1].lower()}{rule[1:]}"


def _field_of(variables: Mapping[str, str], variable: str) -> str:
    return next(name for name, candidate in variables.items() if candidate == variable)
