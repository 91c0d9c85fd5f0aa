"""A script that tells every secret it is given, everywhere and in every dress: none is kept.

What is out of reach, by design: single characters strewn over many fields, real encryption, and
a value that a script kept from an earlier command and that this one was not given.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from leakguard import exits
from leakguard.cli import main
from leakguard.keep.store import open_store
from leakguard.rotate import manifest
from leakguard.rotate.policy import End
from leakguard.rotate.script import Call, Script, folder_hash
from leakguard.secret import Secret
from rotate.simulator.case import Case

# Wraps the simulator's program: the same answers, and every secret of the request and of the
# answer in them, in all places that the protocol has; `memory` is where it keeps those of earlier
# calls, hashed nowhere.
WRAPPER = r"""
import base64, importlib.util, io, json, os, sys
from urllib.parse import quote

def dresses(value):
    raw = value.encode()
    half = len(value) // 2
    return {
        "plain": value, "backwards": value[::-1], "base64": base64.b64encode(raw).decode(),
        "url-base64": base64.urlsafe_b64encode(raw).decode(), "hex": raw.hex(),
        "HEX": raw.hex().upper(), "url": quote(value, safe=""), "json": json.dumps(value),
        "base64 in a text": base64.b64encode(b"user:" + raw).decode(),
        "left": value[:half], "right": value[half:],
        "left backwards": value[:half][::-1], "right backwards": value[half:][::-1],
    }

request = sys.stdin.read()
asked = json.loads(request)
spec = importlib.util.spec_from_file_location("inner", os.path.join(os.path.dirname(__file__), "inner.py"))
inner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(inner)
sys.stdin, said = io.StringIO(request), io.StringIO()
real, sys.stdout = sys.stdout, said
inner.main()
sys.stdout = real
answer = json.loads(said.getvalue())

memory = os.path.join("MEMORY", "memory.json")
known = set(json.load(open(memory))) if os.path.exists(memory) else set()
known |= {*asked["secrets"].values(), *answer.get("secrets", {}).values()}
json.dump(sorted(known), open(memory, "w"))

told = {f"{n} {name}": text for n, value in enumerate(sorted(known))
        for name, text in dresses(value).items()}
if answer["ok"]:
    answer.setdefault("observed", []).extend(f"seen: {text}" for text in told.values())
    answer.setdefault("evidence", []).append({**told, "keys": {text: 1 for text in told.values()},
                                             "list": [[text] for text in told.values()]})
    answer.setdefault("new", {}).update(told)
    answer["more"] = told
    answer["deep"] = {"texts": [{"a": [text]} for text in told.values()]}
    if asked["phase"] == "plan":
        answer["checks"] = [{"what": text, "ok": True, "detail": text} for text in told.values()]
        answer["snapshot"] = told
        answer["actions"] = [{"phase": "create", "verb": text, "target": text, "effect": text,
                              "undo": text} for text in told.values()]
    if asked["phase"] in ("kill_derived", "observe"):
        answer["used_by"] = [{"name": text, "where": text} for text in told.values()]
    if asked["phase"] == "probe":
        answer["probe"]["seen"] = told
    if asked["phase"] == "confirm":
        answer["method"] = next(iter(told.values()))
else:
    answer["error"]["message"] += " ".join(told.values())
print("\n".join(told.values()), file=sys.stderr)
print(json.dumps(answer))
"""


def dresses(value: str) -> Iterator[str]:
    raw, half = value.encode(), len(value) // 2
    yield from (value, value[::-1], quote(value, safe=""))
    for coded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
        yield coded.decode().rstrip("=")[:-1]
    yield from (raw.hex(), raw.hex().upper())
    for part in (value[:half], value[half:]):
        yield from (part, part[::-1])
    yield base64.b64encode(b"user:" + raw).decode()[8:-4]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """The simulator behind a script that tells everything, pinned by a careless user."""
    found = Case(tmp_path / "case", origin="issuer")
    (tmp_path / "memory").mkdir(mode=0o700)
    found.sim.script = _hostile(found.sim.script, tmp_path)
    found.sim.consumer_script = _hostile(found.sim.consumer_script, tmp_path)
    config = tmp_path / "config"
    config.mkdir(mode=0o700)
    pins = [
        f"  - {{folder: {one.folder}, sha256: {folder_hash(one.folder)}}}\n"
        for one in (found.sim.script, found.sim.consumer_script)
    ]
    (config / "rotate.yml").write_text("scripts:\n" + "".join(pins))
    (config / "rotate.yml").chmod(0o600)
    monkeypatch.setenv("LEAKGUARD_CONFIG", str(config))
    monkeypatch.setenv("LEAKGUARD_STORE", found.place)
    monkeypatch.setenv("LEAKGUARD_ACTOR", "ada")
    monkeypatch.chdir(tmp_path)
    return found


def _hostile(script: Script, tmp_path: Path) -> Script:
    folder = Path(script.folder)
    (folder / "rotate.py").rename(folder / "inner.py")
    (folder / "rotate.py").write_text(WRAPPER.replace("MEMORY", str(tmp_path / "memory")))
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    return Script(script.folder, manifest.read(script.folder))


def everything_told(tmp_path: Path) -> list[str]:
    """The values that the script saw in its life, as it remembers them."""
    values: list[str] = json.loads((tmp_path / "memory" / "memory.json").read_text())
    return values


def shown_in(values: list[str], text: str) -> list[str]:
    """Which dress of which value stands in a text; never the value itself."""
    return [
        f"value {number} in dress {which}"
        for number, value in enumerate(values)
        for which, dress in enumerate(dresses(value))
        if dress in text
    ]


def kept_below(folder: Path, *, but: str) -> str:
    return "\n".join(
        path.read_bytes().decode("utf-8", "replace")
        for path in folder.rglob("*")
        if path.is_file() and but not in path.parts and "scripts" not in path.parts
    )


def test_nothing_of_it_is_on_the_screen_or_in_the_store(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADMIN", case.sim.admin.reveal().decode())
    monkeypatch.setenv("OLD", case.sim.old.reveal().decode())
    state = case.sim.state_file
    said = [
        "rotate", "1", "--target", f"state={state}", "--slot", "admin=env:ADMIN",
        "--old", "env:OLD", "--consumer", f"C1=simulated-consumer:state={state},who=app",
    ]  # fmt: skip
    assert main(said) == exits.CLEAN
    assert main([*said, "--json"]) == exits.CLEAN
    case.sim.fail("disable_old", "denied")
    go = ["--apply", "--yes", case.id, "--approver", "li", "--wait", "1"]
    assert main([*said, *go]) == exits.OUTCOME
    again = ["--slot", "admin=env:ADMIN", "--old", "env:OLD"]
    main(["rotate", "1", "--resume", *again])
    main(["rotate", "1", "--resume", *again, "--json"])
    for words in (["status", "1"], ["status", "1", "--json"], ["timeline", "1"], ["explain", "1"],
                  ["checklist", "1"], ["checklist", "1", "--format", "json"], ["list"],
                  ["rotate", "list"]):  # fmt: skip
        assert main(words) == exits.CLEAN
    shown = capsys.readouterr()
    values = everything_told(tmp_path)
    assert len(values) == 3  # the administrator's, the old one, the new one
    assert not case.sim.alive(case.sim.old)
    assert shown_in(values, shown.out + shown.err) == []
    assert shown_in(values, kept_below(tmp_path, but="memory")) == []
    with open_store(case.place) as store:
        assert store.verify() == []


def test_the_search_of_this_test_finds_what_is_there(case: Case, tmp_path: Path) -> None:
    """The control: without the Redactor everything it looks for is found."""
    from leakguard.rotate import process

    target = {"state": str(case.sim.state_file)}
    call = Call("create", "r", target=target, plan={"known": ["k1"]}, secrets=case.sim.slots)
    ended = process.call(case.sim.script.argv(), call.wire(case.sim.script.manifest), 20)
    values = everything_told(tmp_path)
    found = shown_in(values, (ended.out + ended.err).decode())
    assert len({one.rsplit(" ", 1)[1] for one in found}) == len(list(dresses(values[0])))


def test_a_slot_that_is_named_after_a_secret_breaks_the_protocol(case: Case) -> None:
    program = Path(case.sim.script.folder) / "rotate.py"
    value = "ask['secrets']['admin']"
    program.write_text(
        "import json, sys\nask = json.load(sys.stdin)\n"
        f"print(json.dumps({{'ok': True, 'secrets': {{'x' + {value}[:20]: 'y', 'new': 'zzzzzz'}}}}))"
    )
    reply = case.sim.script.call(Call("create", secrets=case.sim.slots))
    assert (reply.ok, reply.error, reply.lost) == (False, "bug", True)
    assert not reply.secrets


def test_what_the_script_remembered_is_known_in_phases_that_do_not_get_it(
    case: Case, tmp_path: Path
) -> None:
    """`observe` may see the administrator's only, and tells the new one of `create`."""
    case.start()
    assert case.run().end in (End.CLOSED, End.UNKNOWN, End.FAILED)
    rotation = case.journal()
    said = json.dumps([dict(one.public) for one in rotation.steps])
    assert shown_in(everything_told(tmp_path), said) == []


def test_a_number_that_is_a_secret_is_starred_out(tmp_path: Path) -> None:
    case = Case(tmp_path)
    digits = str(int.from_bytes(os.urandom(8), "big") + 10**15)
    program = Path(case.sim.script.folder) / "rotate.py"
    program.write_text(
        "import json, sys\nask = json.load(sys.stdin)\n"
        "print(json.dumps({'ok': True, 'snapshot': {'pin': int(ask['secrets']['admin'])}}))"
    )
    slots = {"admin": Secret(digits.encode())}
    reply = case.sim.script.call(Call("plan", secrets=slots))
    assert reply.more["snapshot"] == {"pin": "*****"}
    shorter = replace(reply, more={})
    assert digits not in repr(shorter)
