from herocloud.model.hosts import Host, Slice, Uplink
from herocloud.model.worlds import Record, Thing
from herocloud.reports import html
from herocloud.state.history import Version

GIB = 1024**3
HOST = Host(
    "node1",
    32 * GIB,
    2048 * GIB,
    1900 * GIB,
    8,
    tuple(Slice(f"s{i}", 4 * GIB, 292 * GIB) for i in range(1, 8)),
    uplink=Uplink("eth0", None),
)


def _records(plans) -> list[Record]:
    return [
        Record("shop", "vm.web[0]", "vm", "simulator", plans.vm_spec(), {"power": "running"}, True, sid="v1"),
        Record("shop", "vm.web[1]", "vm", "simulator", plans.vm_spec(slices=["s2", "s3"]), {"power": "stopped"}, True, sid="v2"),
        Record("shop", "volume.pgdata", "volume", "simulator", {"size": 200 * GIB}, {}, True, protect=True),
        Record("shop", "network.lan", "network", "simulator", {"cidr": "10.42.0.0/24"}, {}, False),
    ]


def test_a_plan_with_everything(plans, bare, snapshot) -> None:
    assert bare(html.render_plan(plans.everything())) == snapshot


def test_a_partly_applied_plan(plans, bare, snapshot) -> None:
    assert bare(html.render_result(plans.example(), plans.partly(plans.example()))) == snapshot


def test_what_is_on_a_host(plans, bare, snapshot) -> None:
    seen = {("shop", "vm.web[0]"): Thing("shop", "vm.web[0]", "simulator", {"power": "paused"})}
    history = [Version(1, 1_763_719_200.0, "ada", "apply", "shop", "apply-1", "apply", "p1", 4, 0, 0, 0, 0, "done", 1.5)]
    page = html.render_state(
        HOST, _records(plans), seen, drift={"shop": plans.everything().drift}, history=history, generated=1_763_719_300.0
    )
    assert bare(page) == snapshot


def test_every_page_nests(plans, read) -> None:
    example = plans.example()
    read(html.render_plan(plans.everything()))
    read(html.render_plan(plans.failing()))
    read(html.render_plan(plans.plan()))
    read(html.render_result(example, plans.done(example)))
    read(html.render_result(example, plans.partly(example)))
    read(html.render_result(example, plans.cut_short(example)))
    read(html.render_state(HOST, _records(plans)))
    read(html.render_state(HOST._replace(slices=()), []))


def test_equal_plans_give_equal_pages(plans) -> None:
    assert html.render_plan(plans.everything()) == html.render_plan(plans.everything())


def test_what_destroys_data_comes_last_and_is_named_on_top(plans, read) -> None:
    text = read(html.render_plan(plans.example())).text
    assert "Data is deleted: volume.scratch, vm.old" in text
    assert text.index("Destroys data") > text.index("vm.cache reboot")


def test_a_plan_without_changes_says_so(plans, read) -> None:
    assert "No changes: what is there is what the stack file asks for." in read(html.render_plan(plans.plan())).text


def test_a_failure_shows_its_cause_and_the_way_on(plans, read) -> None:
    text = read(html.render_result(plans.example(), plans.partly(plans.example()))).text
    assert "vm.cache: vm.configure failed" in text
    assert "Left because they need it: vm.old" in text
    assert "herocloud apply does the rest" in text


def test_an_empty_host_says_that_nothing_is_recorded(read) -> None:
    assert "Nothing is recorded on this host." in read(html.render_state(HOST, [])).text


def test_without_a_look_the_report_says_that_states_are_recorded(plans, read) -> None:
    assert "Nobody looked at the host" in read(html.render_state(HOST, _records(plans))).text


def test_a_report_of_ten_thousand_vms_names_all_and_stays_small(plans, read) -> None:
    plan = plans.plan(*(plans.create(f"vm.web[{i}]") for i in range(10_000)))
    source = html.render_plan(plan)
    assert len(source) < 1_000_000
    assert "vm.web[300–9999]" in read(source).text  # noqa: RUF001


def test_a_state_of_ten_thousand_vms_names_all_and_stays_small(plans, read) -> None:
    records = [
        Record("shop", f"vm.web[{i}]", "vm", "simulator", plans.vm_spec(slices=[]), {"power": "running"}, True) for i in range(10_000)
    ]
    source = html.render_state(HOST, records)
    assert len(source) < 500_000
    assert "vm.web[500–9999]" in read(source).text  # noqa: RUF001
