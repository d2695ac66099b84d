"""What the tiny image is put together from: an archive that others can read, modules in their order, scripts without mistakes."""

import json
import lzma
import shutil
import subprocess
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herocloud.model.errors import Permanent
from herocloud.providers.images.builds import archives, packages, tiny

SCRIPTS = resources.files("herocloud.providers.images.builds") / "guest"


def module(path, *needs):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=x\0")


def names(modules) -> list[str]:
    return [module.name.removesuffix(".ko") for module in modules]


@pytest.fixture
def kernel(tmp_path):
    release = tmp_path / "lib/modules/6.1.0-test/kernel"
    module(release / "drivers/virtio-net.ko", "net_failover", "virtio")
    module(release / "net/net_failover.ko", "failover")
    module(release / "net/failover.ko")
    module(release / "virtio/virtio.ko")
    module(release / "drivers/loop_a.ko", "loop_b")
    module(release / "drivers/loop_b.ko", "loop_a")
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/vmlinuz-6.1.0-test").write_bytes(b"kernel")
    return packages.find(tmp_path)


@pytest.mark.parametrize("reader", [["cpio", "-t", "--quiet"], ["bsdtar", "-tf", "-"]], ids=["cpio", "bsdtar"])
def test_another_program_reads_the_archive(reader) -> None:
    if shutil.which(reader[0]) is None:
        pytest.skip(f"needs {reader[0]}")
    members = [
        archives.folder("etc"),
        archives.file("etc/odd", b"x" * 5),
        archives.link("init", "bin/busybox"),
        archives.device("console", 5, 1),
    ]
    packed = subprocess.run(["gzip", "-dc"], input=archives.pack(members), capture_output=True, check=True).stdout
    listed = subprocess.run(reader, input=packed, capture_output=True, check=True).stdout.decode().split()
    assert [name.rstrip("/") for name in listed] == ["etc", "etc/odd", "init", "console"]


def test_the_same_content_makes_the_same_bytes(kernel) -> None:
    (kernel.modules / "modules.builtin").write_text("".join(f"kernel/{name}.ko\n" for name in tiny._REQUIRED))
    packed = [archives.pack(tiny.members(b"busybox", kernel)) for _ in range(2)]
    assert packed[0] == packed[1]


def test_modules_come_after_what_they_need_and_only_once(kernel) -> None:
    assert names(packages.choose(kernel, ["virtio_net", "failover", "virtio"])) == ["failover", "net_failover", "virtio", "virtio-net"]


def test_modules_that_are_built_in_or_need_each_other_do_no_harm(kernel) -> None:
    assert packages.choose(kernel, ["ext4"]) == []
    assert sorted(names(packages.choose(kernel, ["loop_a"]))) == ["loop_a", "loop_b"]


def test_modules_that_are_packed_are_unpacked_for_the_guest(kernel) -> None:
    plain = kernel.modules / "kernel/net/net_failover.ko"
    content = plain.read_bytes()
    plain.with_name("net_failover.ko.xz").write_bytes(lzma.compress(content))
    plain.unlink()
    assert packages.choose(kernel, ["net_failover"])[-1] == ("net_failover.ko", content)


def test_a_kernel_without_what_every_guest_needs_is_refused(kernel) -> None:
    with pytest.raises(Permanent, match=r"the kernel 6\.1\.0-test has no module `virtio_blk`"):
        packages.choose(kernel, [], ["virtio", "virtio_blk"])
    (kernel.modules / "modules.builtin").write_text("kernel/drivers/block/virtio_blk.ko\n")
    assert names(packages.choose(kernel, [], ["virtio", "virtio_blk"])) == ["virtio"]


def test_a_package_without_a_kernel_is_named(tmp_path) -> None:
    with pytest.raises(Permanent, match="there is no kernel in"):
        packages.find(tmp_path)
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/vmlinuz-1").touch()
    with pytest.raises(Permanent, match="no modules for the kernel 1"):
        packages.find(tmp_path)


def test_every_script_goes_somewhere_and_every_folder_is_there() -> None:
    assert {one.name for one in SCRIPTS.iterdir()} == set(tiny._SCRIPTS)
    assert {place.rpartition("/")[0] for place in tiny._SCRIPTS.values()} <= set(tiny._FOLDERS)


@pytest.mark.parametrize("name", [name for name in tiny._SCRIPTS if not name.endswith(".awk") and name != "inittab"])
def test_every_script_is_one_that_a_shell_can_read(name) -> None:
    ran = subprocess.run(["sh", "-n"], input=(SCRIPTS / name).read_bytes(), capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_without_debian_building_says_what_is_missing(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(packages, "_ENVIRONMENT", {"PATH": str(tmp_path)})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Permanent, match="building an image needs `dpkg`, which is part of Debian"):
        tiny.build(tmp_path / "out", cache=tmp_path / "cache")


def test_a_package_that_apt_does_not_know_is_named_with_the_way_out() -> None:
    if shutil.which("apt-get") is None:
        pytest.skip("needs apt-get (package apt)")
    with pytest.raises(Permanent, match=r"no-such-package-here.*`apt-get update`, as root, may help"):
        packages.locate("no-such-package-here")


_READ = 'BEGIN { while ((getline line) > 0) text = text line "\\n"; read_json(text)'
_FLATTEN = _READ + '; for (path in J) print to_json(path) "\\t" to_json(J[path]) }'


def flatten(value, path=""):
    """Return what the guest's reader should make of a value."""
    if isinstance(value, dict):
        return {one: text for key, inner in value.items() for one, text in flatten(inner, f"{path}/{key}" if path else key).items()}
    if isinstance(value, list):
        return {one: text for number, inner in enumerate(value) for one, text in flatten(inner, f"{path}/{number}").items()}
    return {path: value if isinstance(value, str) else json.dumps(value)}


@pytest.fixture(scope="module")
def awk(tiny_image, tmp_path_factory):
    """Return the guest's own awk."""
    folder = tmp_path_factory.mktemp("busybox")
    for package in (tiny_image.kernel.parents[2] / "packages").glob("busybox-static_*.deb"):
        packages.unpack(package, folder)
    program = folder / "bin/busybox"
    if not program.exists():
        pytest.skip("needs the package of busybox beside the tiny guest that was built from it")
    return [str(program), "awk"]


_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_KEYS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=6)


@pytest.mark.guest
def test_the_guest_reads_json_as_python_does(awk) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(
        st.dictionaries(
            _KEYS,
            st.recursive(
                _TEXTS | st.integers() | st.booleans() | st.none(),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
                max_leaves=10,
            ),
            max_size=4,
        ),
        st.booleans(),
        st.sampled_from([None, 2]),
    )
    def check(value, escaped, indent):
        text = json.dumps(value, ensure_ascii=escaped, indent=indent)
        command = [*awk, "-f", str(SCRIPTS / "json.awk"), "-f", "/dev/stdin"]
        # The program comes from one pipe and the text from another file, because both would want the same input.
        ran = subprocess.run(
            ["sh", "-c", f"{' '.join(command[:-2])} -e '{_FLATTEN}'"], input=text.encode(), capture_output=True, check=True
        )
        found = {}
        for line in ran.stdout.decode().split("\n")[:-1]:
            path, _, said = line.partition("\t")
            found[json.loads(path, strict=False)] = json.loads(said, strict=False)
        assert found == flatten(value), text

    check()
