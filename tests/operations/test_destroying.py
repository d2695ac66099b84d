"""Destroying needs the name of the stack and nothing else of its file."""

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKJ6yWbEYYt3pNiZNQGRsDNFkFVFSl6oHD3zRdqeBOSP"
STACK = """\
stack: shop
variables:
  key: {type: string}
images:
  tiny: {source: "https://example.org/tiny.raw", unpinned: true, format: raw}
vms:
  web: {image: tiny, ssh_keys: ["{{ key }}"]}
"""


def test_a_file_that_no_longer_loads_does_not_keep_its_machines_alive(herocloud) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "--var", f"key={KEY}")
    assert herocloud("plan").code == 1
    ran = herocloud.done("destroy", "-y")
    assert "Only the name of the stack was used" in ran.err
    assert herocloud.done("state", "list").out == "Nothing is recorded.\n"


def test_a_file_without_a_name_is_told_what_is_wrong(herocloud) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "--var", f"key={KEY}")
    herocloud.write(STACK.replace("stack: shop", "stack: [shop"))
    ran = herocloud("destroy", "-y")
    assert ran.code == 1
    assert "Not valid YAML" in ran.err
    assert "vm.web" in herocloud.done("state", "list", "--stack", "shop").out
