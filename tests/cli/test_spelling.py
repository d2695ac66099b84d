"""What people type becomes the one spelling that the parser knows."""

import pytest

from herocloud.cli import command_words

CASES = {
    "a long flag with one dash": ("apply -auto-approve", "apply --auto-approve"),
    "a value behind an equals sign": ("plan -out=p.hcplan", "plan --out=p.hcplan"),
    "a value as the next word": ("plan -target vm.web", "plan --target vm.web"),
    "a variable with an equals sign of its own": ("plan -var a=b", "plan --var a=b"),
    "a variable file": ("plan -var-file=x.yaml", "plan --var-file=x.yaml"),
    "a switch that is set": ("plan -detailed-exitcode=true", "plan --detailed-exitcode"),
    "a switch that is not set": ("plan -json=false", "plan"),
    "a switch whose opposite exists": ("plan -refresh=false", "plan --no-refresh"),
    "the same with two dashes": ("plan --refresh=false", "plan --no-refresh"),
    "input that is switched off": ("apply -input=false", "apply --no-input"),
    "colour that is switched off": ("plan -no-color", "plan --no-color"),
    "numbers and times": ("apply -parallelism=5 -lock-timeout=10s", "apply --parallelism=5 --lock-timeout=10s"),
    "a plan to destroy": ("plan -destroy", "plan --destroy"),
    "short flags stay": ("plan -f a.yaml -qv", "plan -f a.yaml -qv"),
    "a flag that nobody knows is named whole": ("plan -lock=false", "plan --lock=false"),
    "a letter that nobody knows stays": ("plan -x", "plan -x"),
    "a short value with an equals sign": ("plan -f=a.yaml", "plan -fa.yaml"),
    "help as a letter": ("plan -h", "plan --help"),
    "a value that looks like a flag": ("plan -var -json", "plan --var -json"),
    "a switch with a value that is none": ("plan -json=maybe", "plan --json=maybe"),
    "everything behind two dashes": ("vm exec web -- ls -json -out=x", "vm exec web -- ls -json -out=x"),
    "a flag at the end without its value": ("plan -out", "plan --out"),
}

MOVES = {
    "a switch before the command": ("--json plan", "plan --json"),
    "a value before the command": ("--data-dir d plan", "plan --data-dir d"),
    "a joined value before the command": ("--data-dir=d plan --out p", "plan --data-dir=d --out p"),
    "a short value before the command": ("-f a.yaml plan", "plan -f a.yaml"),
    "a joined short value": ("-fa.yaml plan", "plan -fa.yaml"),
    "a cluster of switches": ("-qv plan", "plan -qv"),
    "between the words of a command": ("state --json list", "state list --json"),
    "one before and one behind": ("--chdir x state list --json", "state list --chdir x --json"),
    "the command's own flags stay where they are": ("plan --target vm.web --json", "plan --target vm.web --json"),
    "an unknown command is still seen": ("--json plam", "plam"),
    "no command at all": ("--json", ""),
    "help of the whole": ("--json --help", "--help"),
    "a group without its member": ("--json state", "state"),
    "a Terraform global": ("-chdir=x plan", "plan --chdir=x"),
    "help as a word": ("help state list", "state list --help"),
}


@pytest.mark.parametrize(("typed", "meant"), CASES.values(), ids=CASES)
def test_terraform_habits_are_spelled_out(typed: str, meant: str) -> None:
    assert command_words.take_apart(typed.split()).words == meant.split()


@pytest.mark.parametrize(("typed", "meant"), MOVES.values(), ids=MOVES)
def test_global_flags_move_behind_the_command(typed: str, meant: str) -> None:
    assert command_words.take_apart(typed.split()).words == meant.split()
