"""Order's own settings."""

from pydantic import Field

from svc.kit.ids import MAX_WRITER
from svc.kit.settings import Settings


class OrderSettings(Settings):
    """The process's settings, and what order adds."""

    order_id_writer: int = Field(default=0, ge=0, le=MAX_WRITER)
    """MESH_ORDER_ID_WRITER: this replica's number in order ids, which no other replica has."""

    order_max_unsettled: int = Field(default=4_096, ge=1, le=1_000_000)
    """MESH_ORDER_MAX_UNSETTLED: orders of a market that may be accepted and not yet settled; more
    wait, and get TOO_MANY_UNSETTLED when their deadline passes."""

    order_hold_age_s: int = Field(default=60, ge=1)
    """MESH_ORDER_HOLD_AGE_S: seconds after which a hold without an order is given up."""

    order_reconcile_s: int = Field(default=30, ge=1)
    """MESH_ORDER_RECONCILE_S: seconds between two passes over open holds."""
