"""protos/ and gen/: what is generated works, comes from one place, and cannot break unnoticed."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import protovalidate
import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from order.v1 import order_pb2

from mesh import generate

ROOT = Path(__file__).parents[2]
GEN = ROOT / "gen"


@pytest.fixture
def contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy what buf reads, so that a test may break it."""
    for name in ("buf.yaml", "protos"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "IMAGE", tmp_path / "protos" / "image.binpb")
    return tmp_path


def order_proto(contracts: Path) -> Path:
    return contracts / "protos" / "order" / "v1" / "order.proto"


def test_rules_written_in_a_proto_are_kept_by_its_generated_message() -> None:
    broken = protovalidate.collect_violations(order_pb2.CreateOrderRequest())
    assert broken
    assert all(violation.proto.rule_id for violation in broken)


def test_the_modules_of_google_exist_once() -> None:
    assert not (GEN / "google").exists()
    assert not Path(str(annotations_pb2.__file__)).is_relative_to(ROOT / "gen")


def test_the_descriptor_set_carries_routes_and_comments_for_the_edge() -> None:
    files = FileDescriptorSet.FromString((GEN / "descriptor.binpb").read_bytes()).file
    names = {file.name for file in files}
    assert {"google/api/annotations.proto", "google/rpc/error_details.proto"} <= names
    (order,) = [file for file in files if file.name == "order/v1/order.proto"]
    (service,) = [service for service in order.service if service.name == "OrderService"]
    (create,) = [method for method in service.method if method.name == "CreateOrder"]
    http = cast("Any", annotations_pb2.http)  # its stubs do not say what the extension holds
    assert create.options.Extensions[http].post == "/v1/orders"
    assert any(location.leading_comments for location in order.source_code_info.location)


def test_gen_is_exactly_what_protos_say() -> None:
    generate.check()


def test_a_file_that_was_edited_added_or_lost_is_drift(tmp_path: Path) -> None:
    left, right = tmp_path / "left", tmp_path / "right"
    for folder, names in ((left, "same edited lost"), (right, "same edited added")):
        (folder / "order").mkdir(parents=True)
        for name in names.split():
            (folder / "order" / name).write_text("as generated")
    (left / "order" / "edited").write_text("as_generated")
    drift = generate.differences(left, right)
    assert drift == ["order/added", "order/edited", "order/lost"]


def test_a_file_without_a_service_gets_no_stubs() -> None:
    assert (GEN / "trading" / "v1" / "trading_pb2.py").exists()
    assert not list((GEN / "trading").rglob("*_grpc.py*"))


def test_a_changed_field_number_breaks_what_was_promised(
    contracts: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    generate.image()
    generate.breaking()
    proto = order_proto(contracts)
    changed = proto.read_text().replace("string order_id = 1", "string order_id = 99", 1)
    proto.write_text(changed)
    with pytest.raises(SystemExit):
        generate.breaking()
    assert "order_id" in capfd.readouterr().out


def test_a_contract_without_a_comment_or_with_a_nameless_zero_is_refused(
    contracts: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (contracts / "protos" / "order" / "v1" / "more.proto").write_text(
        'syntax = "proto3";\n\npackage order.v1;\n\n// A kind.\nmessage Kind {\n'
        "  // A kind.\n  enum Value {\n    // None.\n    NONE = 0;\n  }\n  bool bare = 1;\n}\n"
    )
    with pytest.raises(SystemExit):
        generate.buf("lint")
    said = capfd.readouterr().out
    assert '"NONE" should be suffixed with "UNSPECIFIED"' in said
    assert 'Field "bare" should have a non-empty comment' in said
    assert "Kind" not in said


def test_the_generator_names_its_commands() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "mesh.generate", "all"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1
    assert "write|check|image|breaking" in said.stderr
