"""Captured sessions are read exactly, and no fault in them gets past the first pass."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from mesh.capture import CaptureError, Diff, Snapshot, Step, Trade, events, survey

RECEIVED = 1_723_161_254_000_000_000


def line(message: dict[str, object], received: int = RECEIVED) -> str:
    return f"{received} {json.dumps(message, separators=(',', ':'))}\n"


def snapshot(update: int = 100) -> str:
    return line(
        {
            "lastUpdateId": update,
            "bids": [["99.50", "2.000"], ["99.00", "1.000"]],
            "asks": [["100.00", "3.000"]],
        }
    )


def diff(first: int, last: int, symbol: str = "AAABBB", **extra: object) -> str:
    payload = {"e": "depthUpdate", "s": symbol, "U": first, "u": last, **extra}
    payload.setdefault("b", [["99.50", "0.000"]])
    payload.setdefault("a", [["100.00", "2.500"]])
    return line({"stream": "aaabbb@depth@100ms", "data": payload})


def trade(number: int, **changed: object) -> str:
    payload = {"e": "trade", "s": "AAABBB", "t": number, "p": "100.00", "q": "0.500"}
    payload |= {"T": 1_700_000_000_000 + number, "m": False, **changed}
    return line({"stream": "aaabbb@trade", "data": payload})


def book_ticker() -> str:
    return line({"stream": "aaabbb@bookTicker", "data": {"u": 1, "s": "AAABBB"}})


def write(folder: Path, *lines: str, name: str = "session.txt") -> Path:
    path = folder / name
    path.write_text("".join(lines))
    return path


def refusal(*paths: Path) -> CaptureError:
    with pytest.raises(CaptureError) as caught:
        survey(paths)
    return caught.value


def places(*paths: Path) -> Counter[str]:
    """How often a trade's price stood where in the book kept from the diffs alone."""
    counts: Counter[str] = Counter()
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    best_bid = best_ask = 0
    for event in events(paths, survey(paths)):
        if isinstance(event, Trade):
            book, best = (bids, best_bid) if event.buyer_is_maker else (asks, best_ask)
            if not book:
                counts["before the book"] += 1
            elif event.price_ticks not in book:
                counts["absent"] += 1
            else:
                counts["best" if event.price_ticks == best else "deeper"] += 1
            continue
        for side, steps in ((bids, event.bids), (asks, event.asks)):
            side.update(steps)
            for price, quantity in steps:
                if not quantity:
                    del side[price]
        best_bid, best_ask = max(bids), min(asks)
    return counts


def test_two_files_of_btcusdt_are_one_session(shared_data: Path) -> None:
    found = survey(
        [shared_data / "spot_btcusdt_20240808.gz", shared_data / "spot_btcusdt_20240809.gz"]
    )
    assert found.symbol == "BTCUSDT"
    assert found.trades == 19_904
    assert found.quantity == "437.91552"
    # The book's far end holds orders from before the venue's lot grew to 0.00001.
    assert (found.tick, found.lot) == ("0.01", "0.000001")
    assert found.first_trade_ms == 1_723_161_255_342
    assert found.last_trade_ms == 1_723_161_905_800


def test_trades_and_diffs_of_btcusdt_disagree_as_often_as_is_known(shared_data: Path) -> None:
    counts = places(
        shared_data / "spot_btcusdt_20240808.gz", shared_data / "spot_btcusdt_20240809.gz"
    )
    assert counts == {"best": 8_988, "deeper": 7_288, "absent": 3_627, "before the book": 1}


def test_ethusdt_is_read_the_same_way(shared_data: Path) -> None:
    found = survey([shared_data / "spot_ethusdt_20240808.gz"])
    assert (found.symbol, found.trades, found.tick, found.lot) == (
        "ETHUSDT",
        6_106,
        "0.01",
        "0.00001",
    )


def test_futures_file_is_refused_at_its_first_diff(shared_data: Path) -> None:
    error = refusal(shared_data / "usdm_btcusdt_20240808.gz")
    assert error.line == 1
    assert "futures" in error.wrong


def test_second_file_alone_has_no_snapshot(shared_data: Path) -> None:
    error = refusal(shared_data / "spot_btcusdt_20240809.gz")
    assert error.line == 0
    assert "none of its 58325 lines is a depth snapshot" in error.wrong


def test_files_of_two_symbols_are_no_session(shared_data: Path) -> None:
    error = refusal(
        shared_data / "spot_btcusdt_20240808.gz", shared_data / "spot_ethusdt_20240808.gz"
    )
    assert (error.path.name, error.line) == ("spot_ethusdt_20240808.gz", 2)
    assert error.wrong == "a line of ETHUSDT in a session of BTCUSDT"


def test_gzip_file_that_breaks_off_is_refused_with_the_line(
    shared_data: Path, tmp_path: Path
) -> None:
    packed = (shared_data / "spot_ethusdt_20240808.gz").read_bytes()
    path = tmp_path / "half.gz"
    path.write_bytes(packed[: len(packed) // 2])
    error = refusal(path)
    assert error.line > 1_000
    assert error.wrong == "the gzip stream breaks off"


def test_gzip_file_with_a_flipped_byte_is_refused(shared_data: Path, tmp_path: Path) -> None:
    packed = bytearray((shared_data / "spot_ethusdt_20240808.gz").read_bytes())
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "flipped.gz"
    path.write_bytes(packed)
    assert refusal(path).line > 0


def test_events_come_in_the_order_received_with_early_diffs_behind_the_snapshot(
    tmp_path: Path,
) -> None:
    path = write(
        tmp_path,
        diff(90, 95),
        trade(7),
        diff(96, 105),
        snapshot(100),
        book_ticker(),
        trade(8, m=True, p="99.5", q="1"),
        diff(106, 106),
    )
    found = survey([path])
    assert (found.tick, found.lot, found.diffs) == ("0.1", "0.1", 2)
    assert (found.quantity, found.notional, found.max_price, found.max_quantity) == (
        "1.5",
        "149.5",
        "100",
        "3",
    )
    assert list(events([path], found)) == [
        Trade(RECEIVED, 7, 1000, 5, False, 1_700_000_000_007),
        Snapshot(RECEIVED, 100, (Step(995, 20), Step(990, 10)), (Step(1000, 30),)),
        Diff(RECEIVED, 96, 105, (Step(995, 0),), (Step(1000, 25),)),
        Trade(RECEIVED, 8, 995, 10, True, 1_700_000_000_008),
        Diff(RECEIVED, 106, 106, (Step(995, 0),), (Step(1000, 25),)),
    ]


def test_diff_that_ends_at_the_snapshot_is_contained_in_it(tmp_path: Path) -> None:
    path = write(tmp_path, diff(90, 100), snapshot(100), trade(1), diff(101, 102))
    session = list(events([path], survey([path])))
    assert [event.first_update for event in session if isinstance(event, Diff)] == [101]


def test_diffs_without_end_before_a_snapshot_are_not_kept(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, *(diff(number, number) for number in range(1, 10_002))))
    assert (error.line, error.wrong) == (10_001, "10000 diffs and no snapshot yet")


def test_plain_and_packed_captures_are_told_apart_by_content(tmp_path: Path) -> None:
    text = snapshot() + diff(101, 102) + trade(1)
    plain = tmp_path / "plain.gz"
    plain.write_text(text)
    packed = tmp_path / "packed.txt"
    packed.write_bytes(gzip.compress(text.encode()))
    assert survey([plain]) == survey([packed])


def test_later_file_continues_the_earlier_one(tmp_path: Path) -> None:
    first = write(tmp_path, snapshot(), diff(101, 102), trade(1), name="1.txt")
    second = write(tmp_path, trade(2), diff(103, 110), name="2.txt")
    assert survey([first, second]).trades == 2


def test_gap_between_files_is_refused_with_the_update_that_is_missing(tmp_path: Path) -> None:
    first = write(tmp_path, snapshot(), diff(101, 102), trade(1), name="1.txt")
    second = write(tmp_path, trade(2), diff(104, 110), name="2.txt")
    error = refusal(first, second)
    assert (error.path, error.line) == (second, 2)
    assert error.wrong == "the diff begins at update 104, the one before it ended at 102"
    assert error.right.startswith("it must begin at 103")


@pytest.mark.parametrize(
    ("lines", "number", "wrong"),
    [
        ([], 0, "the file is empty"),
        ([trade(1)], 0, "none of its 1 lines is a depth snapshot"),
        ([snapshot(), diff(101, 102)], 0, "no trade in the session"),
        ([snapshot(), trade(1), snapshot()], 3, "a second snapshot"),
        ([snapshot(), trade(1), trade(3)], 3, "trade 3 follows trade 1"),
        ([snapshot(), trade(1), trade(1)], 3, "trade 1 follows trade 1"),
        ([snapshot(), diff(102, 103)], 2, "the first diff after snapshot 100 begins at update 102"),
        ([diff(102, 103), snapshot()], 1, "the first diff after snapshot 100 begins at update 102"),
        ([snapshot(), diff(101, 101), diff(103, 103)], 3, "the diff begins at update 103"),
        ([diff(90, 91), diff(93, 94)], 2, "the diff begins at update 93"),
        ([diff(95, 94)], 1, "a diff from update 95 back to 94"),
        ([diff(90, 91, pu=89)], 1, "a futures capture"),
        ([diff(90, 91, b="none")], 1, "'b' is not a list"),
        ([diff(90, 91, a=[["1.0"]])], 1, "['1.0'] is no level"),
        ([diff(90, 91, a=[["0.00", "1"]])], 1, "the price of a level is '0.00'"),
        ([diff(90, 91, a=[["1", "-1"]])], 1, "the quantity of a level is '-1'"),
        ([diff(90, 91, a=[["1e3", "1"]])], 1, "the price of a level is '1e3'"),
        ([diff(90, 91, a=[[1.5, "1"]])], 1, "the price of a level is 1.5"),
        ([trade(1, p="")], 1, "the price is ''"),
        ([trade(1, p=100)], 1, "the price is 100"),
        ([trade(1, q="0.000")], 1, "the quantity is '0.000'"),
        ([trade(1, m="yes")], 1, "'m' is 'yes'"),
        ([trade(0)], 1, "'t' is 0"),
        ([trade(1, T=None)], 1, "'T' is None"),
        ([trade(1, s="aaabbb")], 1, "the symbol is 'aaabbb'"),
        ([trade(1), trade(2, s="CCCDDD")], 2, "a line of CCCDDD in a session of AAABBB"),
        ([book_ticker(), "\n"], 2, "the line does not begin with a receive time"),
        (['{"stream":"x"}\n'], 1, "the line does not begin with a receive time"),
        (["1723161254 {broken\n"], 1, "not JSON"),
        (["1723161254 [1]\n"], 1, "a JSON list"),
        (["1723161254 {}\n"], 1, "neither a snapshot nor a stream message"),
        (['1 {"stream":"a@kline_1m","data":{}}\n'], 1, "stream 'a@kline_1m' is unknown"),
        ([snapshot(), trade(1)[:-20]], 2, "the file breaks off here"),
        ([snapshot(), "17231"], 2, "the file breaks off here"),
        (['1 {"lastUpdateId":5,"bids":[["1","0"]],"asks":[]}\n'], 1, "an empty level"),
        (['1 {"lastUpdateId":"5","bids":[],"asks":[]}\n'], 1, "'lastUpdateId' is '5'"),
    ],
)
def test_fault_is_found_with_its_line(
    tmp_path: Path, lines: list[str], number: int, wrong: str
) -> None:
    error = refusal(write(tmp_path, *lines))
    assert error.line == number
    assert error.wrong.startswith(wrong)
    assert str(error).endswith(error.right)


def test_fault_in_the_last_file_is_found_before_any_event(tmp_path: Path) -> None:
    good = write(tmp_path, snapshot(), trade(1), name="1.txt")
    bad = write(tmp_path, trade(2), "1723161254 {broken\n", name="2.txt")
    assert (refusal(good, bad).path, refusal(good, bad).line) == (bad, 2)


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    error = refusal(tmp_path / "missing.gz")
    assert error.wrong == "cannot be read (No such file or directory)"


def test_steps_beyond_64_bits_are_refused(tmp_path: Path) -> None:
    huge = trade(1, p="9999999999.0000000001")
    error = refusal(write(tmp_path, snapshot(), huge))
    assert error.wrong.startswith("the largest price is 9999999999.0000000001")


def test_file_that_changed_after_the_survey_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, snapshot(), trade(1))
    found = survey([path])
    write(tmp_path, snapshot(), trade(1, p="100.001"))
    with pytest.raises(CaptureError, match=r"100\.001 is finer than what was surveyed"):
        list(events([path], found))


def test_session_of_no_file_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="at least one file"):
        survey([])
