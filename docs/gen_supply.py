"""What hwflow is installed with: `lock` writes requirements.lock (hashes), `pages` the licences and sbom.json, `audit` checks.

    python docs/gen_supply.py lock|pages|audit

requirements.txt stays the one file of pins. `lock` asks uv and the package index; the other two look at what is installed here
and at no network, so `audit` says whether an installation is the one that was locked, not whether a flaw is known of it.
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
import uuid
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
PINS, LOCK = ROOT / "requirements.txt", ROOT / "requirements.lock"
PAGE, SBOM = (ROOT / "docs" / "pages" / "reference" / name for name in ("licences.md", "sbom.json"))
# torch comes by itself from its index of CPU builds (see the Makefile); what only its CUDA build needs is left out
ELSEWHERE = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
PYTHON = "3.11"


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, set[str]]:
    """Versions by name of the lines `name==version`; a name has several where markers choose."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"(?m)^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text):
        found.setdefault(canonical(name), set()).add(version)
    return found


def locked(text: str) -> dict[str, tuple[str, list[str]]]:
    """Version and SHA-256 hashes by name of a lock file."""
    found = {}
    for block in re.split(r"(?m)^(?=[A-Za-z0-9])", text):
        head = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", block)
        if head:
            found[canonical(head[1])] = (head[2], re.findall(r"--hash=sha256:([0-9a-f]{64})", block))
    return found


def lock() -> None:
    command = ["uv", "pip", "compile", "--quiet", "--generate-hashes", "--universal", "--no-annotate", "--no-header",
               "--python-version", PYTHON, str(PINS)]  # fmt: skip
    made = subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout
    blocks = [
        b for b in re.split(r"(?m)^(?=[A-Za-z0-9])", made) if not ELSEWHERE.fullmatch(canonical(b.split("==")[0]))
    ]
    head = [
        f"# Written by `make lock` from requirements.txt for Python {PYTHON} and later: every package with the hashes of its files.",
        "#   pip install torch (see requirements.txt), then pip install --no-deps --require-hashes -r requirements.lock",
    ]
    LOCK.write_text("\n".join(head) + "\n" + "".join(blocks))


def licence(package: Distribution) -> str:
    """What a package says its licence is, in a few words."""
    data = package.metadata
    own = data.get("License-Expression") or ""
    classed = [c.rpartition(" :: ")[2] for c in data.get_all("Classifier") or [] if c.startswith("License ::")]
    short = (data.get("License") or "").strip().splitlines()
    return own or ", ".join(classed) or (short[0][:60] if short else "") or "not said"


def found(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def components() -> list[dict[str, object]]:
    """Every locked package, and torch, as CycloneDX components."""
    everything = {
        **{n: (min(v), []) for n, v in pins(PINS.read_text()).items() if ELSEWHERE.fullmatch(n)},
        **locked(LOCK.read_text()),
    }
    out = []
    for name, (version, _) in sorted(everything.items()):
        package = found(name)
        entry: dict[str, object] = {
            "type": "library", "bom-ref": f"pkg:pypi/{name}@{version}", "name": name, "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
        }  # fmt: skip
        if package is not None:
            entry["licenses"] = [{"license": {"name": licence(package)}}]
        out.append(entry)
    return out


def sbom() -> str:
    """The bill of materials; the same packages give the same bytes."""
    parts = components()
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(parts, sort_keys=True))
    version = re.search(r'VERSION = "([^"]+)"', (ROOT / "hwflow" / "version.py").read_text())
    whole = {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{number}", "version": 1,
        "metadata": {"component": {"type": "application", "name": "hwflow", "version": version[1] if version else "", "licenses": [{"license": {"id": "Apache-2.0"}}]}},
        "components": parts,
    }  # fmt: skip
    return json.dumps(whole, indent=1) + "\n"


def page() -> str:
    """The table of licences."""
    direct = pins(PINS.read_text())
    lines = [
        "# Licences of what is installed", "",
        "Written by `make supply` from `requirements.lock` and from what each package says of itself. hwflow is Apache-2.0 and",
        "contains none of these packages; they are installed beside it. [sbom.json](sbom.json) is the same list as CycloneDX.", "",
        "| package | version | asked for by | licence |", "|---|---|---|---|",
    ]  # fmt: skip
    for part in components():
        name, said = str(part["name"]), part.get("licenses")
        text = said[0]["license"]["name"] if isinstance(said, list) else "not installed where this was written"
        cell = text.replace("|", "\\|").replace("<", "&lt;")
        lines.append(f"| {name} | {part['version']} | {'hwflow' if name in direct else 'another package'} | {cell} |")
    return "\n".join(lines) + "\n"


def audit() -> list[str]:
    """What of this installation is not what was locked: other versions, files that differ from their package's own list."""
    wrong = []
    for name, (version, hashes) in locked(LOCK.read_text()).items():
        package = found(name)
        if not hashes:
            wrong.append(f"{name}: has no hash in {LOCK.name}")
        if package is None:
            continue
        if package.version != version:
            wrong.append(f"{name}: {package.version} is installed, {version} is locked")
        for file in package.files or ():
            if file.hash is None or file.hash.mode != "sha256" or file.suffix != ".py":
                continue
            where = Path(str(package.locate_file(file)))
            own = (
                base64.urlsafe_b64encode(hashlib.sha256(where.read_bytes()).digest()).rstrip(b"=")
                if where.is_file()
                else b""
            )
            if own.decode() != file.hash.value:
                wrong.append(f"{name}: {file} is not the file that was installed")
    return wrong


def main() -> None:
    match sys.argv[1:]:
        case ["lock"]:
            lock()
        case ["pages"]:
            PAGE.write_text(page())
            SBOM.write_text(sbom())
        case ["audit"]:
            wrong = audit()
            print(
                "\n".join(wrong)
                or f"{len(locked(LOCK.read_text()))} packages are as they were locked, where they are installed"
            )
            sys.exit(1 if wrong else 0)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
