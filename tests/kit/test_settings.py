"""Configuration that is refused: each message names the variable, its value and the rule."""

from pathlib import Path
from typing import Self

import pytest
from pydantic import Field, SecretStr, model_validator

from svc.kit.settings import Endpoint, Settings, SettingsError, load_endpoints
from svc.topology import SERVICES


class ExampleSettings(Settings):
    """A service's own."""

    example_batch_items: int = Field(default=64, ge=1, le=512)
    """Items a batch."""

    example_waiting_items: int = 1_000
    """Items that may wait."""

    @model_validator(mode="after")
    def _room_for_a_batch(self) -> Self:
        if self.example_waiting_items < self.example_batch_items:
            raise ValueError(
                f"MESH_EXAMPLE_WAITING_ITEMS is {self.example_waiting_items}: must be at least "
                f"MESH_EXAMPLE_BATCH_ITEMS, {self.example_batch_items}"
            )
        return self


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Give the least a process needs."""
    monkeypatch.setenv("POSTGRES_URL", "postgresql:///quantamesh?host=/run/x")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379/0")
    monkeypatch.setenv("MESH_SECRETS_DIR", str(tmp_path))
    return monkeypatch


def refusal(cls: type[Settings] = ExampleSettings) -> str:
    with pytest.raises(SettingsError) as error:
        cls.load()
    return str(error.value)


@pytest.mark.spec("config-env", "config-validated")
def test_the_environment_and_the_defaults_make_the_settings(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("MESH_EXAMPLE_BATCH_ITEMS", "128")
    settings = ExampleSettings.load()
    assert settings.postgres_url.get_secret_value() == "postgresql:///quantamesh?host=/run/x"
    assert settings.secrets_dir == tmp_path
    assert (settings.example_batch_items, settings.example_waiting_items) == (128, 1_000)
    assert (settings.log_level, settings.listen_host) == ("info", "127.0.0.1")
    assert settings.instance


def test_everything_that_is_missing_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("POSTGRES_URL")
    environment.setenv("REDIS_URL", "")
    assert refusal().splitlines() == [
        "POSTGRES_URL is not set: it is required",
        "REDIS_URL is not set: it is required",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("MESH_LOG_LEVEL", "loud", "MESH_LOG_LEVEL is 'loud': input should be 'debug', 'info',"),
        ("MESH_EXAMPLE_BATCH_ITEMS", "0", "MESH_EXAMPLE_BATCH_ITEMS is '0': input should be gre"),
        ("MESH_EXAMPLE_BATCH_ITEMS", "x", "MESH_EXAMPLE_BATCH_ITEMS is 'x': input should be a v"),
        ("MESH_SECRETS_DIR", "/nowhere", "MESH_SECRETS_DIR is '/nowhere': must be a folder"),
        ("MESH_EXAMPLE_WAITING_ITEMS", "3", "MESH_EXAMPLE_WAITING_ITEMS is 3: must be at least M"),
    ],
)
def test_a_value_against_the_rule_is_refused_with_both(
    environment: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    environment.setenv(variable, value)
    assert refusal().startswith(message)


@pytest.mark.parametrize("variable", ["POSTGRES_URL", "REDIS_URL"])
def test_a_url_may_hold_a_password_and_is_never_shown(
    environment: pytest.MonkeyPatch, variable: str
) -> None:
    environment.setenv(variable, "mysql://user:hunter2@host/db")
    assert refusal().startswith(f"{variable} is (hidden): must begin with ")
    environment.setenv("POSTGRES_URL", "postgresql://user:hunter2@host/db")
    environment.setenv("REDIS_URL", "redis://:hunter2@host/0")
    assert "hunter2" not in repr(ExampleSettings.load())


def test_a_mistyped_variable_is_refused_with_the_one_that_was_meant(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("MESH_LOG_LEVLE", "info")
    assert refusal() == "MESH_LOG_LEVLE is set and unknown: did you mean MESH_LOG_LEVEL?"


def test_a_variable_of_another_service_is_known(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MESH_EXAMPLE_BATCH_ITEMS", "128")
    Settings.load()


def test_a_services_own_settings_stand_beside_those_of_its_process(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    process = Settings(
        postgres_url=SecretStr("postgresql:///other"),
        redis_url=SecretStr("unix:///x"),
        secrets_dir=tmp_path,
        log_level="debug",
    )
    environment.setenv("MESH_LOG_LEVEL", "error")
    environment.setenv("MESH_EXAMPLE_BATCH_ITEMS", "7")
    own = ExampleSettings.of(process)
    assert (own.log_level, own.example_batch_items) == ("debug", 7)
    assert own.postgres_url == process.postgres_url
    assert ExampleSettings.of(own) is own


def test_services_listen_where_the_topology_says() -> None:
    endpoints = load_endpoints({})
    assert {name: (e.grpc_port, e.http_port) for name, e in endpoints.items()} == {
        name: (entry.grpc_port, entry.http_port) for name, entry in SERVICES.items()
    }
    assert endpoints["order"].target == "127.0.0.1:50060"


def test_a_moved_service_is_called_where_it_listens() -> None:
    endpoints = load_endpoints({"ORDER_GRPC_PORT": "6000", "WALLET_SERVICE_URL": "wallet:50061"})
    assert endpoints["order"].target == "127.0.0.1:6000"
    assert (endpoints["wallet"].target, endpoints["wallet"].grpc_port) == ("wallet:50061", 50061)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ORDER_GRPC_PORT": "65536"}, "ORDER_GRPC_PORT is '65536': must be a port"),
        ({"ORDER_GRPC_PORT": "-1"}, "ORDER_GRPC_PORT is '-1': must be a port"),
        ({"ORDER_GRPC_PORT": ""}, "ORDER_GRPC_PORT is '': must be a port"),
        (
            {"WALLET_GRPC_PORT": "50060"},
            "WALLET_GRPC_PORT is 50060, which ORDER_GRPC_PORT has already: ports must differ",
        ),
        (
            {"WALLET_SERVICE_URL": "http://wallet:50061"},
            "WALLET_SERVICE_URL is 'http://wallet:50061': must be host:port or unix:/path",
        ),
        ({"WALLET_SERVICE_URL": "wallet"}, "WALLET_SERVICE_URL is 'wallet': must be host:port"),
    ],
)
def test_endpoints_that_cannot_be_are_refused(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_endpoints(environ)
    assert str(error.value).startswith(message)


def test_each_market_has_an_engine_that_can_be_moved() -> None:
    endpoints = load_endpoints({"MESH_MARKETS": "3", "ENGINE_2_GRPC_PORT": "7000",
                                "MATCHING_ENGINE_3_GRPC_URL": "engine-3:9090"})  # fmt: skip
    assert endpoints["engine-2"] == Endpoint(7000, 8192, "127.0.0.1:7000")
    assert endpoints["engine-3"] == Endpoint(9193, 8193, "engine-3:9090")
    assert "engine-2" not in load_endpoints({})


@pytest.mark.parametrize("text", ["0", "-1", "9", "two", "1.5"])
def test_a_number_of_markets_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_endpoints({"MESH_MARKETS": text})
    assert str(error.value) == f"MESH_MARKETS is {text!r}: must be 1..8"


def test_any_number_of_services_may_ask_for_a_free_port() -> None:
    endpoints = load_endpoints({"ORDER_GRPC_PORT": "0", "WALLET_GRPC_PORT": "0"})
    assert endpoints["order"].grpc_port == endpoints["wallet"].grpc_port == 0


def test_every_variable_of_the_kit_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    ports = [f"{name.upper()}_{kind}_PORT" for name in SERVICES for kind in ("GRPC", "HTTP")]
    named = {
        str(f.validation_alias or f"MESH_{n.upper()}") for n, f in Settings.model_fields.items()
    }
    assert [variable for variable in (*ports, *named) if f"`{variable}`" not in page] == []
