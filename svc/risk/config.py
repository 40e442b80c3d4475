"""Risk's own settings: the limits of accounts that have none of their own."""

from pydantic import Field

from svc.kit.settings import Settings
from svc.risk.checks import Limits

_DECIMAL = r"^(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?$"


class RiskSettings(Settings):
    """The process's settings, and what risk adds. 0 is no limit."""

    risk_max_notional: str = Field(default="10000000", pattern=_DECIMAL)
    """MESH_RISK_MAX_NOTIONAL: largest notional of one order, whole units of the quote asset."""

    risk_max_quantity: str = Field(default="0", pattern=_DECIMAL)
    """MESH_RISK_MAX_QUANTITY: largest quantity of one order, base asset."""

    risk_fat_finger_bps: int = Field(default=2_000, ge=0, le=1_000_000)
    """MESH_RISK_FAT_FINGER_BPS: how far a limit price may lie from the reference, basis points."""

    def default_limits(self) -> Limits:
        """The limits of an account without its own."""
        return Limits(
            max_notional=self.risk_max_notional,
            max_quantity=self.risk_max_quantity,
            fat_finger_bps=self.risk_fat_finger_bps,
        )
