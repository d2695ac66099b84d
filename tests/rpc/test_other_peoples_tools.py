"""The document in the hands of tools that nobody here wrote; they come through npm, and without it the tests are skipped."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 280

COVERAGE = """
const http = require("http");
const fs = require("fs");
const testCoverage = require("@open-rpc/test-coverage").default;
const ExamplesRule = require("@open-rpc/test-coverage/build/rules/examples-rule").default;
const { dereferenceDocument } = require("@open-rpc/schema-utils-js");
const [socketPath, documentPath] = process.argv.slice(2);
let id = 0;
const transport = (_url, method, params) => new Promise((resolve, reject) => {
  const body = JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params });
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const request = http.request({ socketPath, path: "/rpc", method: "POST", headers }, (response) => {
    const pieces = [];
    response.on("data", (piece) => pieces.push(piece));
    response.on("end", () => resolve(JSON.parse(Buffer.concat(pieces).toString())));
  });
  request.on("error", reject);
  request.end(body);
});
(async () => {
  const openrpcDocument = await dereferenceDocument(JSON.parse(fs.readFileSync(documentPath, "utf8")));
  const rules = [new ExamplesRule({ skip: [], only: [] })];
  // It prints what it found, and ends the process with it.
  await testCoverage({ openrpcDocument, transport, reporters: [], rules, skip: [], only: [] });
})().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tools; skips where they cannot be had."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node are not here")
    folder = tmp_path_factory.mktemp("npm")
    wanted = [
        "@open-rpc/test-coverage@2", "@open-rpc/schema-utils-js@2", "@open-rpc/generator@1", "@open-rpc/client-js@1", "typescript@5"
    ]  # fmt: skip
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *wanted]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm could not fetch the tools in time")
    if done.returncode != 0:
        pytest.skip(f"npm cannot fetch the tools here: {done.stderr.strip().splitlines()[-1:]}")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_open_rpc_test_coverage_finds_no_failure(packages: Path, daemon: Any) -> None:
    program = packages / "coverage.js"
    program.write_text(COVERAGE, encoding="utf-8")
    command = ["node", str(program), str(daemon.path), str(ROOT / "openrpc.json")]
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, timeout=SECONDS, check=False)
    said = re.sub(r"\x1b\[\d+m", "", done.stdout)
    examples = sum(len(method["examples"]) for method in json.loads((ROOT / "openrpc.json").read_text(encoding="utf-8"))["methods"])
    failed = [line.strip()[:500] for line in said.splitlines() if line.strip() and "\u2713" not in line]
    assert re.findall(r"(Success|Errors): +(\d+)", said) == [("Success", str(examples)), ("Errors", "0")], failed
    assert done.returncode == 0, done.stderr


USE = """
import Herocloud from "./generated/client/typescript/src/index";
export async function use(client: Herocloud): Promise<string> {
  const slices = await client.list_slices();
  const job = await client.deploy_vm("web", String(slices[0].sid), "tiny", 2);
  const vm = await client.get_vm(String(job.sid), "secret");
  const well: "running" | "stopped" | "paused" | "gone" | "deploying" | "incomplete" | undefined =
    vm.status === "crashed" || vm.status === "silent" || vm.status === "unresponsive" || vm.status === "unsupervised" ||
    vm.status === "io-error" ? undefined : vm.status;
  return String(well) + vm.memory_bytes;
}
"""
WRONG = """
import Herocloud from "./generated/client/typescript/src/index";
export async function wrong(client: Herocloud): Promise<string> {
  await client.deploy_vm("web", 7, "tiny");
  return (await client.get_vm("v1")).nonsense;
}
"""


@pytest.fixture(scope="module")
def typescript(packages: Path) -> Path:
    """The packages with the client that the generator makes of our document."""
    document = json.loads((ROOT / "openrpc.json").read_text(encoding="utf-8"))
    # It writes names of methods as they are, and those of the `rpc.` namespace are not names in TypeScript.
    document["methods"] = [method for method in document["methods"] if "." not in method["name"]]
    (packages / "document.json").write_text(json.dumps(document), encoding="utf-8")
    wanted = {"type": "client", "name": "herocloud", "language": "typescript"}
    config = {"openrpcDocument": "document.json", "outDir": "./generated", "components": [wanted]}
    (packages / "generator.json").write_text(json.dumps(config), encoding="utf-8")
    command = ["node", "node_modules/.bin/open-rpc-generator", "generate", "-c", "generator.json"]
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (packages / "generated/client/typescript/src/index.ts").exists(), done.stdout + done.stderr
    return packages


def check_types(folder: Path, name: str, program: str) -> str:
    """Return what TypeScript finds in a program that uses the client."""
    (folder / f"{name}.ts").write_text(program, encoding="utf-8")
    flags = ["--noEmit", "--strict", "--skipLibCheck", "--esModuleInterop", "--resolveJsonModule", "--target", "es2020"]
    command = ["node", "node_modules/.bin/tsc", *flags, "--module", "commonjs", "--moduleResolution", "node", f"{name}.ts"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False).stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_generated_typescript_client_checks_out(typescript: Path) -> None:
    assert check_types(typescript, "use", USE) == ""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_its_types_are_those_of_the_document(typescript: Path) -> None:
    found = check_types(typescript, "wrong", WRONG)
    assert "Argument of type 'number' is not assignable to parameter of type 'string'" in found
    assert "Property 'nonsense' does not exist on type 'VmInfo'" in found
    assert found.count("error TS") == 2, found
