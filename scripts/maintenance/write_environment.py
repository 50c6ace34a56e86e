"""Write environment.yml: conda's Python, and every package of requirements.lock through pip.

The lock is spelled out, not included by name, because tools that copy environment.yml elsewhere
(Snakemake's own conda deployment among them) would lose a file that it points to.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

HEADER = """\
# For conda: the same versions as requirements.lock. Written by `make lock`; do not edit.
name: netdissect
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def environment(lock: str) -> str:
    """Return the text of environment.yml for the text of a lock."""
    packages = [line for line in lock.splitlines() if line and not line.startswith("#")]
    return HEADER + "".join(f'      - "{package}"\n' for package in packages)


if __name__ == "__main__":
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    (ROOT / "environment.yml").write_text(environment(lock), encoding="utf-8")
