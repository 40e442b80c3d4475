"""Memory and table together are the whole tape, whoever asks for which part."""

from svc.marketdata.tape import KEPT, Tape, Trade


def trade(number: int) -> Trade:
    return Trade(number, number * 3, 0, 100, 1, 1)


def test_trades_that_are_not_stored_are_never_forgotten() -> None:
    tape = Tape(0)
    for number in range(1, KEPT + 51):
        tape.add(trade(number))
    tape.forget(0)
    assert tape.floor == 0
    assert len(tape.newest(KEPT + 50)) == KEPT + 50


def test_stored_trades_beyond_a_page_are_forgotten_from_the_oldest_on() -> None:
    tape = Tape(0)
    for number in range(1, KEPT + 51):
        tape.add(trade(number))
    tape.forget(20)
    assert tape.floor == 20
    tape.forget(KEPT + 50)
    assert tape.floor == 50
    assert [one.number for one in tape.after(50, 3)] == [51, 52, 53]


def test_reader_at_the_end_gets_nothing_and_one_before_it_the_rest() -> None:
    tape = Tape(7)
    assert tape.after(7, 10) == []
    for number in (9, 12, 15):
        tape.add(trade(number))
    assert [one.number for one in tape.after(7, 10)] == [9, 12, 15]
    assert [one.number for one in tape.after(12, 10)] == [15]
    assert [one.number for one in tape.after(13, 10)] == [15]
    assert tape.after(15, 10) == []
    assert [one.number for one in tape.newest(2)] == [15, 12]
    assert tape.last_number == 15
