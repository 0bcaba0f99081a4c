"""Numbers over time keep within their bound and lose neither end."""

from hypothesis import given
from hypothesis import strategies as st

from manager.history import History, Pace, Sample


def test_all_samples_are_kept_while_there_is_room() -> None:
    history = History(spacing=2.0)
    for at in range(0, 20, 2):
        history.add(Sample(float(at), {"hops": at}))
    assert [sample.at for sample in history.samples()] == [float(at) for at in range(0, 20, 2)]


def test_the_newest_sample_is_always_among_them() -> None:
    history = History(spacing=10.0)
    history.add(Sample(0.0, {"hops": 1}))
    history.add(Sample(1.0, {"hops": 2}))
    history.add(Sample(2.0, {"hops": 3}))
    assert [sample.totals["hops"] for sample in history.samples()] == [1, 3]


def test_nothing_yet() -> None:
    assert History(spacing=1.0).samples() == []


@given(count=st.integers(1, 3000), most=st.integers(4, 50))
def test_however_long_it_runs_it_is_bounded_and_spans_all_of_the_time(count: int, most: int) -> None:
    history = History(spacing=1.0, most=most)
    for at in range(count):
        history.add(Sample(float(at), {}))
    times = [sample.at for sample in history.samples()]
    assert len(times) <= most + 1
    assert times[0] == 0.0
    assert times[-1] == count - 1
    assert times == sorted(set(times))


def test_pace_is_measured_over_its_window() -> None:
    pace = Pace(window=60.0)
    assert pace.per_minute() is None
    pace.add(0.0, 100)
    assert pace.per_minute() is None
    pace.add(30.0, 150)
    assert pace.per_minute() == 100.0
    for at in range(40, 200, 10):
        pace.add(float(at), 150)
    assert pace.per_minute() == 0.0


def test_a_count_that_falls_begins_anew() -> None:
    pace = Pace()
    pace.add(0.0, 1000)
    pace.add(2.0, 5)
    assert pace.per_minute() is None
    pace.add(4.0, 7)
    assert pace.per_minute() == 60.0


def test_steps_are_the_growth_between_looks() -> None:
    pace = Pace()
    for at, count in enumerate([0, 3, 3, 10]):
        pace.add(float(at), count)
    assert pace.steps(10) == [3, 0, 7]
    assert pace.steps(2) == [0, 7]
