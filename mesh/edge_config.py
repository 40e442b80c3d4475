"""Builds the Envoy configuration of the edge.

Owns what the outside world can reach. Everything is made from the contracts (`edge_routes`) and
the service table: one exact route for each public method, nothing else. The result is checked in
under `envoy/`; secrets and keys stay out of it and are read from Envoy's environment
(MESH_EDGE_SECRET, MESH_JWKS).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

from mesh.edge_routes import HttpBinding, Method

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"

UNARY_TIMEOUT_S = 10
MAX_BODY_BYTES = 1 << 20
_TOKENS_REMEMBERED = 10_000
ISSUER = "quantamesh"
AUDIENCE = "quantamesh"

# What only the edge may say: a client that sends one of these is not believed.
_INNER_HEADERS = (
    "x-user-id",
    "x-account-id",
    "x-mesh-caller",
    "x-mesh-secret",
    "x-http-status",
    "x-edge-reason",
    "x-edge-field",
)

_EXT = "type.googleapis.com/envoy.extensions."
_HTTP = _EXT + "filters.http."

_SCRIPT = Path(__file__).with_name("edge_config.lua")

# HTTP status of a reply that Envoy itself makes -> (gRPC code, reason).
_LOCAL_REPLIES = {
    400: (3, "MALFORMED_REQUEST"),
    401: (16, "UNAUTHENTICATED"),
    403: (7, "FORBIDDEN"),
    404: (5, "UNKNOWN_ROUTE"),
    408: (4, "REQUEST_TIMEOUT"),
    413: (11, "BODY_TOO_LARGE"),
    415: (3, "UNSUPPORTED_CONTENT_TYPE"),
    426: (3, "UPGRADE_REQUIRED"),
    429: (8, "RATE_LIMITED"),
    431: (11, "HEADERS_TOO_LARGE"),
    500: (13, "INTERNAL"),
    502: (14, "SERVICE_UNAVAILABLE"),
    503: (14, "SERVICE_UNAVAILABLE"),
    504: (4, "DEADLINE_EXCEEDED"),
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens."""

    host: str
    port: int

    @property
    def as_envoy(self) -> Json:
        """Envoy's spelling."""
        return {"socket_address": {"address": self.host, "port_value": self.port}}


@dataclass(frozen=True, slots=True)
class EdgeLayout:
    """What differs between installations; the rest of the configuration is the same everywhere."""

    listener: Address
    admin: Address
    services: Mapping[str, Address]
    descriptor_set: str


def render(methods: list[Method], layout: EdgeLayout) -> str:
    """The whole configuration as YAML, the same text for the same input.

    Raises ValueError when a public method belongs to a service that the layout does not name.
    """
    public = [method for method in methods if method.public]
    missing = {method.mesh_service for method in public} - set(layout.services)
    if missing:
        raise ValueError(f"public methods without a service in the table: {sorted(missing)}")
    names = sorted({method.mesh_service for method in public})
    config: Json = {
        "admin": {"address": layout.admin.as_envoy},
        "static_resources": {
            "listeners": [_listener(public, layout)],
            "clusters": [_cluster(name, layout.services[name]) for name in names],
        },
    }
    text = yaml.safe_dump(config, sort_keys=False, width=100)
    return "# Made from protos/ and svc/topology.py by `mesh edge render`. Do not edit.\n" + text


def _listener(public: list[Method], layout: EdgeLayout) -> Json:
    return {
        "name": "edge",
        "address": layout.listener.as_envoy,
        "per_connection_buffer_limit_bytes": MAX_BODY_BYTES,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": _connection_manager(public, layout),
                    }
                ]
            }
        ],
    }


def _connection_manager(public: list[Method], layout: EdgeLayout) -> Json:
    kind = "filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "@type": _EXT + kind,
        "stat_prefix": "edge",
        "codec_type": "AUTO",
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "request_headers_timeout": "10s",
        "stream_idle_timeout": "300s",
        "common_http_protocol_options": {
            "idle_timeout": "300s",
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {"max_concurrent_streams": 1000},
        "early_header_mutation_extensions": [_strip_inner_headers()],
        "access_log": [_access_log()],
        "local_reply_config": {"mappers": _local_reply_mappers()},
        "http_filters": [
            _filter("lua", {"default_source_code": _script(public)}, "lua.v3.Lua"),
            _filter("jwt_authn", _jwt(), "jwt_authn.v3.JwtAuthentication"),
            _filter("buffer", {"max_request_bytes": MAX_BODY_BYTES}, "buffer.v3.Buffer"),
            _filter(
                "grpc_json_transcoder",
                _transcoder(public, layout),
                "grpc_json_transcoder.v3.GrpcJsonTranscoder",
            ),
            _filter("router", {}, "router.v3.Router"),
        ],
        "route_config": {
            "name": "public",
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": _routes(public)}],
        },
    }


def _script(public: list[Method]) -> Json:
    literal, others = [], []
    for binding in [b for method in public for b in method.bindings if b.body_fields]:
        fields = ", ".join(f'{spelling} = "{name}"' for spelling, name in binding.body_fields)
        if binding.is_literal:
            literal.append(f'["{binding.verb} {binding.path}"] = {{{fields}}}')
        else:
            others.append(f'["{binding.lua_pattern}"] = {{{fields}}}')
    source = _SCRIPT.read_text(encoding="utf-8")
    source = source.replace("--[[fields]]", ", ".join(literal))
    return {"inline_string": source.replace("--[[patterns]]", ", ".join(others))}


def _filter(name: str, config: dict[str, Json], kind: str) -> Json:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": _HTTP + kind, **config}}


def _strip_inner_headers() -> Json:
    kind = "http.early_header_mutation.header_mutation.v3.HeaderMutation"
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": _EXT + kind,
            "mutations": [{"remove": header} for header in _INNER_HEADERS],
        },
    }


def _access_log() -> Json:
    fields = {
        "ts": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "service": "edge",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "status": "%RESPONSE_CODE%",
        "grpc_status": "%GRPC_STATUS%",
        "flags": "%RESPONSE_FLAGS%",
        "duration_ms": "%DURATION%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "upstream": "%UPSTREAM_CLUSTER%",
    }
    return {
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": _EXT + "access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": dict(fields)},
        },
    }


def _local_reply_mappers() -> list[Json]:
    # A gRPC client reads its status from headers: the body stays what Envoy made it. A transcoded
    # request looks like gRPC by then; its original path tells it apart.
    grpc: Json = {
        "filter": {
            "and_filter": {
                "filters": [
                    _has_header("content-type", {"string_match": {"prefix": "application/grpc"}}),
                    _has_header("x-envoy-original-path", {"present_match": False}),
                ]
            }
        },
        "body_format_override": {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"}},
    }
    script: Json = {
        "filter": _has_header("x-edge-reason", {"present_match": True}),
        "body_format_override": _error_format(3, "%REQ(X-EDGE-REASON)%", "%REQ(X-EDGE-FIELD)%"),
    }
    return [grpc, script, *(_json_reply(*reply) for reply in _LOCAL_REPLIES.items())]


def _has_header(name: str, match: dict[str, Json]) -> Json:
    return {"header_filter": {"header": {"name": name, **match}}}


def _json_reply(status: int, answer: tuple[int, str]) -> Json:
    code, reason = answer
    return {
        "filter": {
            "status_code_filter": {
                "comparison": {
                    "op": "EQ",
                    "value": {"default_value": status, "runtime_key": f"edge.reply.{status}"},
                }
            }
        },
        "body_format_override": _error_format(code, reason),
    }


def _error_format(code: int, reason: str, field: str | None = None) -> Json:
    info: dict[str, Json] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "quantamesh",
    }
    if field is not None:
        info["metadata"] = {"field": field}
    return {"json_format": {"code": code, "message": "%LOCAL_REPLY_BODY%", "details": [info]}}


def _jwt() -> dict[str, Json]:
    return {
        "providers": {
            "identity": {
                "issuer": ISSUER,
                "audiences": [AUDIENCE],
                "local_jwks": {"environment_variable": "MESH_JWKS"},
                "require_expiration": True,
                # A signature is verified once, the expiry of its token with each request.
                "jwt_cache_config": {"jwt_cache_size": _TOKENS_REMEMBERED},
                "claim_to_headers": [
                    {"header_name": "x-user-id", "claim_name": "sub"},
                    {"header_name": "x-account-id", "claim_name": "account"},
                ],
            }
        },
        "requirement_map": {"trader": {"provider_name": "identity"}},
    }


def _transcoder(public: list[Method], layout: EdgeLayout) -> dict[str, Json]:
    return {
        "proto_descriptor": layout.descriptor_set,
        "services": [*sorted({method.service for method in public if method.bindings})],
        "match_incoming_request_route": True,
        "convert_grpc_status": True,
        "case_insensitive_enum_parsing": True,
        "max_request_body_size": MAX_BODY_BYTES,
        "print_options": {"always_print_primitive_fields": True},
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
        },
    }


def _routes(public: list[Method]) -> list[Json]:
    rest = [(binding, method) for method in public for binding in method.bindings]
    rest.sort(key=lambda pair: (not pair[0].is_literal, pair[0]))
    return [
        *(_route(_grpc_match(method), method, None) for method in public),
        *(_route(_rest_match(binding), method, binding) for binding, method in rest),
    ]


def _grpc_match(method: Method) -> Json:
    return {"path": method.grpc_path, "grpc": {}}


def _rest_match(binding: HttpBinding) -> Json:
    path: dict[str, Json] = (
        {"path": binding.path} if binding.is_literal else {"safe_regex": {"regex": binding.regex}}
    )
    verb: Json = {"name": ":method", "string_match": {"exact": binding.verb}}
    return {**path, "headers": [verb]}


def _route(match: Json, method: Method, binding: HttpBinding | None) -> Json:
    action: dict[str, Json] = {
        "cluster": method.mesh_service,
        "timeout": "0s" if method.streaming else f"{UNARY_TIMEOUT_S}s",
        "retry_policy": {
            "retry_on": _retry_on(binding),
            "num_retries": 2,
        },
    }
    added: list[Json] = [
        _header("x-mesh-caller", "edge", "OVERWRITE_IF_EXISTS_OR_ADD"),
        _header("x-mesh-secret", "%ENVIRONMENT(MESH_EDGE_SECRET)%", "OVERWRITE_IF_EXISTS_OR_ADD"),
    ]
    if not method.streaming:
        deadline = f"{UNARY_TIMEOUT_S * 1000 - 200}m"
        added.append(_header("grpc-timeout", deadline, "ADD_IF_ABSENT"))
    return {
        "name": method.grpc_path if binding is None else f"{binding.verb} {binding.path}",
        "match": match,
        "route": action,
        "request_headers_to_add": added,
        "typed_per_filter_config": _per_filter(method, binding),
    }


def _per_filter(method: Method, binding: HttpBinding | None) -> Json:
    jwt: dict[str, Json] = (
        {"disabled": True} if method.anonymous else {"requirement_name": "trader"}
    )
    filters: dict[str, Json] = {
        "envoy.filters.http.jwt_authn": {"@type": _HTTP + "jwt_authn.v3.PerRouteConfig", **jwt}
    }
    if binding is None:
        # gRPC is bounded message by message where it is served; a stream must not be collected.
        buffer: Json = {"@type": _HTTP + "buffer.v3.BufferPerRoute", "disabled": True}
        filters["envoy.filters.http.buffer"] = buffer
    return filters


def _retry_on(binding: HttpBinding | None) -> str:
    # A read may be asked again whenever the answer is missing; anything else only when the
    # request cannot have arrived.
    if binding is not None and binding.verb == "GET":
        return "unavailable,reset,connect-failure,refused-stream"
    return "connect-failure,refused-stream"


def _header(key: str, value: str, action: str) -> Json:
    return {"header": {"key": key, "value": value}, "append_action": action}


def _cluster(name: str, address: Address) -> Json:
    protocol = _EXT + "upstreams.http.v3.HttpProtocolOptions"
    return {
        "name": name,
        "type": "STATIC" if address.host[0].isdigit() else "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "1s",
        "circuit_breakers": {
            "thresholds": [{"max_requests": 4096, "max_pending_requests": 4096, "max_retries": 64}]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": protocol,
                "explicit_http_config": {
                    "http2_protocol_options": {
                        "connection_keepalive": {"interval": "10s", "timeout": "5s"}
                    }
                },
            }
        },
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "grpc_health_check": {},
            }
        ],
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address.as_envoy}}]}],
        },
    }
