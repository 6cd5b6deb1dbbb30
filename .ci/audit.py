"""Asks whether known weaknesses lie in the pinned versions; says so plainly where nobody answers.

pip-audit calls it “no known vulnerabilities” when a registry knows nothing of any package, as
mirrors do. What was not checked is no clean bill of health, so it is counted and said.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of the pinned versions.

    Attributes:
        checked: How many packages were looked up.
        unchecked: How many were not.
        findings: One line a weakness: package, version, name, the version that mends it.
    """

    checked: int
    unchecked: int
    findings: Sequence[str]

    @property
    def words(self) -> str:
        """Say it in a line, and the findings below it."""
        if not self.checked:
            return "audit: not checked: unreachable (no package could be looked up)"
        rest = f", {self.unchecked} not checked: unreachable" if self.unchecked else ""
        found = f"audit: {self.checked} packages checked{rest}; {len(self.findings)} weaknesses"
        return "\n".join([found, *(f"  {line}" for line in self.findings)])


def read_answer(answer: dict[str, Any]) -> Verdict:
    """Read what pip-audit wrote.

    Args:
        answer: Its JSON.
    """
    packages = answer.get("dependencies", [])
    known = [package for package in packages if "skip_reason" not in package]
    findings = [
        f"{package['name']} {package['version']}: {weakness['id']}"
        f" (mended in {', '.join(weakness.get('fix_versions', [])) or 'no version yet'})"
        for package in known
        for weakness in package.get("vulns", [])
    ]
    return Verdict(len(known), len(packages) - len(known), findings)


def ask(constraints: Path) -> Verdict:
    """Ask the registry's own service; where it cannot be asked nothing counts as checked."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "pip_audit", "-r", str(constraints), "--no-deps"]
        command += ["--disable-pip", "--progress-spinner", "off", "-f", "json", "-o", str(output)]
        try:
            subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            return Verdict(0, 0, [])
        return read_answer(json.loads(output.read_text())) if output.exists() else Verdict(0, 0, [])


if __name__ == "__main__":
    verdict = ask(ROOT / "constraints.txt")
    print(verdict.words)
    sys.exit(1 if verdict.findings else 0)
