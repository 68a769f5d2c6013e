"""What is installed is pinned, hashed and listed with its licence; no command is a shell string; names end no markup."""

import ast
import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("gen_supply", ROOT / "docs" / "gen_supply.py")
supply = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(supply)


def test_every_pin_is_locked_at_its_version_with_hashes():
    lock = supply.locked(supply.LOCK.read_text())
    for name, versions in supply.pins(supply.PINS.read_text()).items():
        if supply.ELSEWHERE.fullmatch(name):
            assert name not in lock
        elif name != "tomli":  # for Python 3.10 alone, which the lock is not for
            assert name in lock, f"{name} is not in requirements.lock; make lock"
            assert lock[name][0] in versions, f"{name}: requirements.lock has {lock[name][0]}; make lock"
    assert len(lock) > 100 and all(hashes for _, hashes in lock.values())


def test_the_licences_and_the_bill_of_materials_are_those_of_the_lock():
    lock = supply.locked(supply.LOCK.read_text())
    bill = json.loads(supply.SBOM.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    listed = {c["name"]: c["version"] for c in bill["components"]}
    assert listed == {name: version for name, (version, _) in lock.items()} | {"torch": listed["torch"]}, "make supply"
    assert len({c["bom-ref"] for c in bill["components"]}) == len(listed)
    rows = supply.PAGE.read_text()
    assert all(f"| {name} | {version} |" in rows for name, version in listed.items())


def test_an_audit_sees_another_version_a_changed_file_and_a_missing_hash(tmp_path, monkeypatch):
    package = tmp_path / "site"
    info = package / "thing-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\nLicense: MIT\n")
    (package / "thing.py").write_text("x = 1\n")
    right = "sha256=U_TMHP1f3FWbdSaq0G4QpBT5QzGLQJ8_NS57LrhA8dQ"
    monkeypatch.syspath_prepend(package)
    lock = tmp_path / "requirements.lock"
    monkeypatch.setattr(supply, "LOCK", lock)

    def audit(version, record, hash_=f"    --hash=sha256:{'0' * 64}\n"):
        lock.write_text(f"thing=={version} \\\n{hash_}")
        (info / "RECORD").write_text(f"thing.py,{record},6\nthing-1.0.dist-info/METADATA,,\n")
        return supply.audit()

    import base64
    import hashlib

    own = base64.urlsafe_b64encode(hashlib.sha256(b"x = 1\n").digest()).rstrip(b"=").decode()
    assert audit("1.0", f"sha256={own}") == []
    assert audit("1.1", f"sha256={own}") == ["thing: 1.0 is installed, 1.1 is locked"]
    assert audit("1.0", right) == ["thing: thing.py is not the file that was installed"]
    assert audit("1.0", f"sha256={own}", "") == ["thing: has no hash in requirements.lock"]
    assert supply.licence(supply.found("thing")) == "MIT"


def shells(source: str) -> list[str]:
    """Calls in Python source that would give text to a shell, or run it as Python."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if any(
            k.arg == "shell" and not (isinstance(k.value, ast.Constant) and not k.value.value) for k in node.keywords
        ):
            found.append(f"{name}(shell=..)")
        if name in ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "eval", "pty.spawn"):
            found.append(name)
        words = [ast.unparse(a) for arg in node.args[:1] for a in getattr(arg, "elts", ())]
        if words[:1] in (["'sh'"], ["'bash'"]) and "'-c'" in words:
            found.append(f"{name}(sh -c)")
    return found


@pytest.mark.parametrize("room", ["hwflow", "models", "docs"])
def test_no_command_is_a_shell_string(room):
    found = {str(p): s for p in sorted((ROOT / room).rglob("*.py")) if (s := shells(p.read_text()))}
    assert not found


def test_a_shell_would_be_seen():
    for text in (
        "subprocess.run(x, shell=True)",
        "os.system(x)",
        "run(x, shell=y)",
        "subprocess.run(['bash', '-c', x])",
        "eval(x)",
    ):
        assert shells(text), text
    assert not shells("subprocess.run([x], shell=False)\nmodel.eval()\n")


def test_pages_of_the_documentation_escape_what_packages_call_themselves(monkeypatch):
    part = {"name": "x", "version": "1", "licenses": [{"license": {"name": "<b>|MIT"}}]}
    monkeypatch.setattr(supply, "components", lambda: [part])
    assert "&lt;b>\\|MIT" in supply.page() and "<b>" not in supply.page()
