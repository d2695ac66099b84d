"""What a commit costs does not depend on what the state holds, and large plans take little room."""

from herocloud.state import state_files


def work(store, action) -> int:
    """Count SQLite's own instructions while `action` runs: unlike time they are the same on every machine."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    store._connection.set_progress_handler(tick, 1)
    try:
        action()
    finally:
        store._connection.set_progress_handler(None, 0)
    return count


def test_a_commit_costs_the_same_beside_ten_records_and_five_thousand(store, make) -> None:
    apply = store.begin(make.plan(), 1.0)
    costs = []
    for start, end in ((0, 10), (10, 5000)):
        store.commit(apply, make.put(*(make.record(f"volume.v{number}") for number in range(start, end))))
        again = make.put(make.record("volume.v3", parts={"records": end}))
        costs.append(work(store, lambda entries=again: store.commit(apply, entries)))
    assert costs[1] <= costs[0] * 1.05


def test_a_batch_costs_as_much_as_its_entries(store, make) -> None:
    apply = store.begin(make.plan(), 1.0)
    costs = []
    for size in (100, 200, 400):
        entries = make.put(*(make.record(f"volume.a{number}") for number in range(size)))
        costs.append(work(store, lambda entries=entries: store.commit(apply, entries)))
    assert costs[2] / costs[1] < 2.2


def test_a_plan_of_many_steps_is_kept_small_and_comes_back_whole(store, make, folder) -> None:
    steps = tuple(make.step(number)._replace(after={"text": "x" * 1000, "number": number}) for number in range(3000))
    plan = make.plan(steps=0)._replace(steps=steps)
    store.begin(plan, 1.0)
    store.close()
    assert state_files.database(folder).stat().st_size < 400_000
