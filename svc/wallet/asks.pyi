from dataclasses import dataclass
from typing import NamedTuple

@dataclass(frozen=True)
class Refusal:
    reason: str
    message: str
    metadata: dict[str, str]

class CreditAsk(NamedTuple):
    transaction_id: str
    account_id: int
    asset_id: int
    amount: int
    reference: str

def refusal(reason: str, message: str, /, **metadata: str) -> Refusal: ...
def perpetual_not_settled(instrument: str) -> Refusal: ...
