"""A machine that lost memory: everything in use stays in sight, and there is a way out."""

STACK = """\
stack: shop
variables:
  webs: {type: integer, default: 4}
images:
  tiny: {source: "https://example.org/tiny.raw", unpinned: true, format: raw}
vms:
  web: {count: "{{ webs }}", image: tiny}
"""
HOST = "name: node1\nsimulated: {{memory: {memory} GiB, disk: 1 TiB, cpus: 16}}\n"


def _resize(data_folder, memory) -> None:
    (data_folder / "host.yaml").write_text(HOST.format(memory=memory), encoding="utf-8")


def _with_four_vms(herocloud, data_folder) -> None:
    _resize(data_folder, 32)
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    _resize(data_folder, 13)


def test_slices_that_are_gone_are_listed_while_vms_hold_them(herocloud, data_folder) -> None:
    _with_four_vms(herocloud, data_folder)
    listed = herocloud.done("slice", "list")
    assert [line.split()[0] for line in listed.out.splitlines()[1:5]] == ["s1", "s2", "s3", "s4"]
    assert "vm.web[3]" in listed.err
    assert "in use" in herocloud.done("slice", "show", "s4").out


def test_a_plan_that_lessens_the_load_is_allowed_and_one_that_does_not_is_not(herocloud, data_folder) -> None:
    _with_four_vms(herocloud, data_folder)
    assert herocloud("plan").code == 1
    herocloud.done("apply", "-y", "--var", "webs=1")
    assert herocloud.done("plan", "--var", "webs=1").out == "No changes.\n"


def test_refreshing_settles_on_fewer_slices_once(herocloud, data_folder) -> None:
    _resize(data_folder, 32)
    assert "7 slices were created." in herocloud.done("host", "refresh").out
    _resize(data_folder, 13)
    assert herocloud.done("slice", "list").err != ""
    assert "4 slices are gone." in herocloud.done("host", "refresh").out
    again = herocloud.done("host", "refresh")
    assert "The slices are as they were." in again.out
    assert again.err == ""
