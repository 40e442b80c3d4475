"""Exact decimal text and the integers behind it: ticks, lots and ledger units.

No float and no rounding: a text either is a whole number of steps or is refused with its nearest
neighbours. What is written is canonical: no leading zeros, no trailing zeros after the point, no
point without digits. What is read may have trailing zeros after the point ("1.50"), nothing else
that is not canonical; it has no sign, no exponent, no space and at most 38 digits.
"""

from dataclasses import dataclass
from typing import Self

MAX_DIGITS = 38
MAX_INT64 = 2**63 - 1
MAX_LEDGER_UNITS = 10**38 - 1

_POWERS: tuple[int, ...] = tuple(10**exponent for exponent in range(MAX_DIGITS + 1))


class DecimalError(ValueError):
    """A text that cannot be taken as the number asked for; the message names value and rule."""


class Malformed(DecimalError):
    """The text is not a decimal number in the accepted form."""

    def __init__(self, text: str) -> None:
        """`text` is what was given."""
        super().__init__(
            f"{text[:48]!r} is not a decimal number: must be digits, optionally a point and "
            f"digits, at most {MAX_DIGITS}, without sign, exponent, space or leading zero"
        )


class NotOnStep(DecimalError):
    """The number is not a multiple of the step; `below` and `above` are the nearest that are.

    Both are canonical text; `below` is "0" where the number is smaller than one step.
    """

    def __init__(self, text: str, step: "Step", below_steps: int) -> None:
        """`below_steps` is the number of whole steps in `text`."""
        self.step = str(step)
        self.below = format_steps(below_steps, step)
        self.above = format_steps(below_steps + 1, step)
        super().__init__(f"{text} is not a multiple of {step}: nearest are {self.nearest}")

    @property
    def nearest(self) -> str:
        """Both neighbours for a message: "1.5 and 1.51"."""
        return f"{self.below} and {self.above}"


class TooLarge(DecimalError):
    """The number is above the largest one that the step's integer may hold; `limit` is text."""

    def __init__(self, text: str, step: "Step") -> None:
        """`text` is what was given."""
        self.limit = format_steps(step.limit, step)
        super().__init__(f"{text} is too large: at most {self.limit}")


@dataclass(frozen=True, slots=True)
class Step:
    """The value of one tick, lot or ledger unit: `unscaled` x 10**-`scale`, made once, used often.

    `limit` is the largest number of steps that may be asked for: int64 for ticks and lots,
    MAX_LEDGER_UNITS for ledger amounts (`Step(1, scale, MAX_LEDGER_UNITS)`).
    """

    unscaled: int
    scale: int
    limit: int = MAX_INT64

    def __post_init__(self) -> None:
        """Raises ValueError for a step that is not positive or a scale outside 0..38."""
        if self.unscaled <= 0 or not 0 <= self.scale <= MAX_DIGITS or self.limit <= 0:
            raise ValueError(
                f"step {self.unscaled} x 10^-{self.scale} (limit {self.limit}): the step and its "
                f"limit must be positive, the scale in 0..{MAX_DIGITS}"
            )

    @classmethod
    def parse(cls, text: str, limit: int = MAX_INT64) -> Self:
        """The step written as text: "0.01". Raises Malformed, or ValueError for zero."""
        unscaled, scale = parse(text)
        return cls(unscaled, scale, limit)

    def __str__(self) -> str:
        """The canonical text of one step."""
        return format_units(self.unscaled, self.scale)


def parse(text: str) -> tuple[int, int]:
    """(unscaled, scale) of an unsigned decimal, smallest scale: "1.50" is (15, 1).

    Raises Malformed.
    """
    whole, fraction = _digits(text)
    fraction = fraction.rstrip("0")
    return int(whole + fraction), len(fraction)


def to_steps(text: str, step: Step) -> int:
    """How many steps the number is. Raises Malformed, NotOnStep, TooLarge."""
    whole, fraction = _digits(text)
    missing = step.scale - len(fraction)
    if missing >= 0:
        steps = int(whole + fraction) * _POWERS[missing]
    else:
        steps = int(whole + fraction[:missing])
        if fraction[missing:].strip("0"):
            raise NotOnStep(text, step, steps // step.unscaled)
    if step.unscaled != 1:
        steps, rest = divmod(steps, step.unscaled)
        if rest:
            raise NotOnStep(text, step, steps)
    if steps > step.limit:
        raise TooLarge(text, step)
    return steps


def format_steps(steps: int, step: Step) -> str:
    """The canonical text of `steps` steps; inverse of to_steps."""
    return format_units(steps * step.unscaled, step.scale)


def format_units(unscaled: int, scale: int) -> str:
    """The canonical text of unscaled x 10**-scale; negative amounts get a leading "-"."""
    if scale == 0:
        return str(unscaled)
    if unscaled < 0:
        return "-" + format_units(-unscaled, scale)
    digits = str(unscaled)
    if len(digits) <= scale:
        digits = digits.zfill(scale + 1)
    fraction = digits[-scale:].rstrip("0")
    return f"{digits[:-scale]}.{fraction}" if fraction else digits[:-scale]


def _digits(text: str) -> tuple[str, str]:
    whole, point, fraction = text.partition(".")
    digits = whole + fraction
    if (
        not digits.isdecimal()
        or not digits.isascii()
        or not whole
        or (whole[0] == "0" and whole != "0")
        or (point and not fraction)
        or len(digits) > MAX_DIGITS
    ):
        raise Malformed(text)
    return whole, fraction
