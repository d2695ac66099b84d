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
    wanted = ["@open-rpc/test-coverage@2", "@open-rpc/schema-utils-js@2", "@open-rpc/generator@1", "typescript@5"]
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
