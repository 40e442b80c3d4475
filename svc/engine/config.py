"""The engine's own settings."""

from pathlib import Path

from pydantic import Field, field_validator

from svc.kit.settings import Settings

_SMALLEST_SEGMENT = 1 << 20


class EngineSettings(Settings):
    """The process's settings, and what the engine adds."""

    journal_dir: Path
    """MESH_JOURNAL_DIR: the folder that holds a journal for each market. On a disk that keeps what
    fdatasync promised. Required."""

    journal_segment_bytes: int = Field(default=64 << 20, ge=_SMALLEST_SEGMENT)
    """MESH_JOURNAL_SEGMENT_BYTES: a segment that has grown to this is followed by the next."""

    snapshot_commands: int = Field(default=1_000_000, ge=1_000)
    """MESH_SNAPSHOT_COMMANDS: a snapshot is taken when so many commands have come since the last.
    It bounds what a start makes again, about 0.25 s for a million."""

    retention_hours: int = Field(default=168, ge=0, le=87_600)
    """MESH_RETENTION_HOURS: how long events are kept at least for whoever follows the market. Older
    ones are deleted, with the commands that made them, once the order service has applied them
    and three snapshots cover them. 0: as soon as that is so. Hours."""

    standbys_required: int = Field(default=0, ge=0, le=8)
    """MESH_STANDBYS_REQUIRED: journals of standbys that must hold what leaves the engine. While
    fewer are in sync it answers nothing. 0: it goes on alone when the last standby is lost."""

    standby_patience_ms: int = Field(default=1_000, ge=100, le=60_000)
    """MESH_STANDBY_PATIENCE_MS: a standby that syncs nothing for so long while something waits for
    it is struck off; until then everything waits. Milliseconds."""

    @field_validator("journal_dir")
    @classmethod
    def _is_folder(cls, folder: Path) -> Path:
        if not folder.is_dir():
            raise ValueError("must be a folder; `mesh up` makes one")
        return folder
