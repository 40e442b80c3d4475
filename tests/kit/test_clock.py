"""The clock that tests move."""

from svc.kit.clock import Clock, FakeClock, SystemClock


def test_a_fake_clock_moves_only_when_told() -> None:
    clock = FakeClock(unix_ns=1_000)
    clock.advance(5)
    assert (clock.unix_ns(), clock.monotonic_ns()) == (1_005, 5)
    assert (clock.unix_ns(), clock.monotonic_ns()) == (1_005, 5)


def test_setting_the_wall_clock_back_leaves_durations_alone() -> None:
    clock = FakeClock(unix_ns=1_000)
    clock.set_unix_ns(10)
    assert (clock.unix_ns(), clock.monotonic_ns()) == (10, 0)


def test_the_system_clock_never_runs_backwards_in_durations() -> None:
    clock: Clock = SystemClock()
    readings = [clock.monotonic_ns() for _ in range(1_000)]
    assert readings == sorted(readings)
    assert clock.unix_ns() > 1_704_067_200_000_000_000
