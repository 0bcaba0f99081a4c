"""Ways that were traced before: which places are verified, when all is traced anew."""

from agents.core.paths import WHOLE_SECONDS, Known, Paths

T, U, V = 0xCB007107, 0xCB007207, 0xCB007307
WAY = [(5, 0xC6336405), (6, 0xC6336406), (7, 0xC6336407)]


def test_what_was_never_traced_is_traced() -> None:
    assert Paths().known(T, 7, 0.0) == Known()


def test_two_places_are_verified_and_others_every_time() -> None:
    paths = Paths()
    paths.traced(T, 7, WAY, 0.0, whole=False)
    asked = []
    for turn in range(3):
        places = paths.known(T, 7, 10.0 + turn).places
        assert len(set(places)) == 2
        asked += places
        paths.verified(T)
    assert set(asked) == set(WAY)
    paths.verified(U)  # not known: nothing to say


def test_a_way_of_one_router_has_one_place() -> None:
    paths = Paths()
    paths.traced(T, 7, WAY[:1], 0.0, whole=False)
    assert paths.known(T, 7, 1.0).places == (WAY[0],)


def test_another_way_back_means_tracing() -> None:
    paths = Paths()
    paths.traced(T, 7, WAY, 0.0, whole=False)
    assert paths.known(T, 8, 1.0) == Known()


def test_once_a_week_it_is_traced_all_the_way() -> None:
    paths = Paths()
    paths.traced(T, 7, WAY, 0.0, whole=False)
    paths.traced(T, 7, WAY, WHOLE_SECONDS / 2, whole=False)
    assert paths.known(T, 7, WHOLE_SECONDS) == Known(whole=True)
    paths.traced(T, 7, WAY, WHOLE_SECONDS, whole=True)
    assert paths.known(T, 7, WHOLE_SECONDS + 1).places


def test_a_way_without_routers_is_not_kept_and_the_oldest_is_forgotten() -> None:
    paths = Paths(most=2)
    for target in (T, U):
        paths.traced(target, 7, WAY, 0.0, whole=False)
    paths.verified(T)
    paths.traced(V, 7, WAY, 0.0, whole=False)
    assert len(paths) == 2
    assert paths.known(U, 7, 1.0) == Known()
    paths.traced(T, 7, [], 1.0, whole=False)
    assert len(paths) == 1
