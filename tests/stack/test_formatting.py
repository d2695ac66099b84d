"""The canonical layout: what it does, what it leaves, and that it never changes what a file means."""

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herocloud.kits.yaml import reader
from herocloud.stack import starter
from herocloud.stack.layout import canonical, dump


def _formatted(text: str) -> str:
    formatted = canonical.format_text(textwrap.dedent(text))
    assert formatted.diagnostics == ()
    assert formatted.text is not None
    return formatted.text


def test_keys_take_their_usual_order_and_comments_go_with_them() -> None:
    before = """
        # The head of the file.

        # about the machines
        vms:
          web:
            # how it restarts
            restart: always  # or not
            image: x
            # how many
            count: 2
        # who owns it
        stack: a
        """
    assert _formatted(before) == textwrap.dedent("""\
        # The head of the file.

        # who owns it
        stack: a

        # about the machines
        vms:
          web:
            # how many
            count: 2
            image: x
            # how it restarts
            restart: always  # or not
        """)


def test_indentation_becomes_two_blanks_and_comments_follow() -> None:
    before = """
        stack: a
        vms:
            web:
                networks:
                # the first
                - lan
                # the second
                -   network: wan
                    rate: {upload: 1 MB/s}
                user_data:
                    text: |
                        #cloud-config

                        a: 1
                # last words
        """
    assert _formatted(before) == textwrap.dedent("""\
        stack: a

        vms:
          web:
            networks:
              # the first
              - lan
              # the second
              - network: wan
                rate: {upload: 1 MB/s}
            user_data:
              text: |
                #cloud-config

                a: 1
            # last words
        """)


def test_what_fits_a_line_stays_on_it_and_the_rest_becomes_a_block() -> None:
    key = "ssh-ed25519 " + "A" * 80
    text = _formatted(
        f"stack: a\nvms:\n  web: {{vcpus:  1,image: x}}\n  db: {{image: x, ssh_keys: ['{key}'], vcpus: 1, labels: {{b: c}}}}\n"
    )
    assert "  web: {image: x, vcpus: 1}\n" in text
    assert f"  db:\n    image: x\n    vcpus: 1\n    ssh_keys: ['{key}']\n    labels: {{b: c}}\n" in text


def test_names_keep_their_order_because_it_decides_who_is_first() -> None:
    assert "vms:\n  web: {}\n  db: {}\n" in _formatted("vms: \n  web: {}\n  db: {}\nstack: a\n")


def test_sections_are_parted_by_one_blank_line() -> None:
    assert _formatted("stack: a\n\n\n\nvms:\n  web: {}\n\n\n  db: {}\nnetworks:\n  lan: {}\n") == (
        "stack: a\n\nnetworks:\n  lan: {}\n\nvms:\n  web: {}\n\n  db: {}\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "stack: a\nvms:\n  web: &x\n    image: a\n  db:\n    <<: *x\n    image: b\n",
        "vms:\n  web: *x\nstack: a\ndefaults: &y {vcpus: 1}\nsizes: {a: *y}\n".replace("*x", "{}"),
        "sizes: {a: &y {vcpus: 1}}\ndefaults: *y\nstack: a\n",
        "stack: a\ndescription: |+\n  keeps\n\n\nvms: {}\n",
        "stack: a\ndescription: >-\n    folded\n    text\n\n    more\n",
        "stack: a\ndescription: 'one\n  two'\nvms: {}\n",
        "stack: a\nmoved:\n- to: vm.a\n  from: vm.b\n-\n  to: vm.c\n  from: vm.d\n",
        "stack: a\nvms: {web: {image: x, # a comment\n  vcpus: 1}}\n",
        "---\nstack: a\n",
        "%YAML 1.2\n---\nstack: a\n",
        "stack: a\nlabels: {a: 0o17, b: 1.10, c: 007, d: 1e3}\n",
        "stack: \"a\"\noutputs: {a: \"\\x07\", b: 'it''s'}\n",
        "stack: a\nvms:\n\n  # comment\n\n  web:\n    {}\n# end\n",
        "? stack\n: a\n",
        "stack: a # one\n#two\nvms: #three\n  web: #four\n    {image: x} #five\n",
    ],
)
def test_odd_texts_keep_their_meaning_and_settle_at_once(text) -> None:
    once = _formatted(text)
    assert canonical.means_the_same(text, once)
    assert _formatted(once) == once


def test_an_alias_is_not_moved_before_its_anchor() -> None:
    text = _formatted("sizes: {a: &y {vcpus: 1}}\ndefaults: *y\nstack: a\n")
    assert reader.read_tree(text).value == {"sizes": {"a": {"vcpus": 1}}, "defaults": {"vcpus": 1}, "stack": "a"}


def test_instances_get_the_quotes_that_yaml_wants() -> None:
    text = _formatted("stack: a\nnetworks:\n  lan: {forward: [{vm: web[0], port: 80, host_port: 8080}]}\n")
    assert '[{host_port: 8080, vm: "web[0]", port: 80}]' in text


@pytest.mark.parametrize(
    ("text", "code"), [("a: [", "yaml-syntax"), ("- a", "yaml-not-a-mapping"), ("a: 1\na: 2\n", "duplicate-key"), ("", "yaml-empty")]
)
def test_a_text_that_is_no_stack_is_refused_with_its_place(text, code) -> None:
    formatted = canonical.format_text(text, "x.yaml")
    assert formatted.text is None
    assert [(found.code, found.place.file) for found in formatted.diagnostics if found.place] == [(code, "x.yaml")]


def test_a_stack_with_mistakes_can_be_formatted_all_the_same(mistakes) -> None:
    text, _expected = mistakes.make(mistake for mistake in mistakes.MISTAKES if mistake.code != "duplicate-key")
    assert _formatted(_formatted(text)) == _formatted(text)


def test_the_starter_is_formatted() -> None:
    for name in ("first", "a-much-longer-name-than-the-first-one"):
        text = starter.starter_stack(name)["stack.yaml"]
        assert reader.read_tree(text).value["stack"] == name
        assert _formatted(text) == text


_scalars = st.one_of(
    st.integers(),
    st.booleans(),
    st.none(),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
    st.sampled_from(["a\nb\n", "{{ x }}", "yes", "0x1f", "# no", "- a", "a: b"]),
)
_trees = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["web", "image", "count", "vms", "x y", "labels", "a#b"]), inner, max_size=4)
    ),
    max_leaves=20,
)
_sections = st.dictionaries(st.sampled_from(["vms", "stack", "networks", "images", "moved", "outputs", "defaults"]), _trees, min_size=1)
_comments = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(_sections, _comments)
def test_any_tree_keeps_its_values_and_its_comments(tree, places) -> None:
    lines = dump.write(tree).split("\n")
    # A line of comment may stand anywhere outside of a block text.
    if not any(line.rstrip().endswith(("|", "|-")) for line in lines):
        for number, (place, depth) in enumerate(places):
            lines.insert(place % (len(lines) + 1), "  " * depth + f"# comment {number}")
    text = "\n".join(lines) + "\n"
    once = _formatted(text)
    assert canonical.means_the_same(text, once)
    assert _formatted(once) == once
