"""Metadata's own settings."""

from pathlib import Path

from pydantic import field_validator

from svc.kit.settings import Settings

SHIPPED_FILE = Path(__file__).parent / "instruments.toml"


class MetadataSettings(Settings):
    """The process's settings, and what metadata adds."""

    instruments_file: Path = SHIPPED_FILE
    """MESH_INSTRUMENTS_FILE: the assets and instruments that the operator defines, TOML. Default:
    the file beside this one."""

    @field_validator("instruments_file")
    @classmethod
    def _is_file(cls, path: Path) -> Path:
        if not path.is_file():
            raise ValueError(f"must be a file; {SHIPPED_FILE} is one to copy and change")
        return path
