"""Templates of strangers: refused with their place, or harmless."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from leakguard.errors import ConfigError, UsageError
from leakguard.load.templates import FOLDER, read, shipped, template, templates
from leakguard.respond.comms import Ask, Template, render
from leakguard.respond.comms_sandbox import LARGEST, fill, names, wrong

HEAD = '---\ntitle: Note\naudience: internal\nsubject: "{{ incident_id }}"\n'
FACTS = "requires: [incident_id, secret_types]\n---\n"


def made(body: str, head: str = HEAD + FACTS) -> Template:
    return read("note.md.j2", (head + body).encode())


HOSTILE = {
    "import": "{% import 'x' as y %}",
    "include": "{% include '/etc/passwd' %}",
    "extends": "{% extends 'base' %}",
    "macro": "{% macro m() %}{{ m() }}{% endmacro %}",
    "set": "{% set x = 1 %}",
    "a call": "{{ incident_id.format() }}",
    "range": "{% for i in range(1000000000) %}x{% endfor %}",
    "a class": "{{ ''.__class__.__mro__ }}",
    "an attribute": "{{ incident_id.__class__ }}",
    "an item": "{{ incident_id['__class__'] }}",
    "power": "{{ 9 ** 999999999 }}",
    "multiplication": "{{ 'a' * 999999999 }}",
    "an endless list": "{{ [1] * 999999999 }}",
    "concatenation": "{{ incident_id ~ incident_id }}",
    "loops in loops": "{% for a in secret_types %}{% for b in secret_types %}x{% endfor %}{% endfor %}",
    "recursion": "{% for a in secret_types recursive %}{{ loop(a) }}{% endfor %}",
    "a filter that is not there": "{{ incident_id | attr('x') }}",
    "another one": "{{ secret_types | map('upper') }}",
    "safe": "{{ incident_id | safe }}",
    "tests": "{% if incident_id is defined %}x{% endif %}",
    "defaults": "{{ incident_id | default('x') }}",
    "slices": "{{ incident_id[0:1] }}",
    "with": "{% with x = 1 %}{% endwith %}",
    "autoescape": "{% autoescape false %}{{ incident_id }}{% endautoescape %}",
    "filter blocks": "{% filter lower %}x{% endfilter %}",
    "call blocks": "{% call incident_id() %}{% endcall %}",
    "not ended": "{% if incident_id %}",
    "an odd tag": "{% debug %}",
    "a broken expression": "{{ incident_id ",
    "deep brackets": "{{ " + "(" * 5000 + "incident_id" + ")" * 5000 + " }}",
    "a deep not": "{{ " + "not " * 5000 + "incident_id }}",
    "deep ifs": "{% if incident_id %}" * 200 + "{% endif %}" * 200,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_what_is_more_than_showing_facts_is_refused_with_its_line(body: str) -> None:
    begin = time.process_time()
    with pytest.raises(ConfigError) as refused:
        made(f"first line\n{body}\n")
    assert refused.value.place is not None
    assert refused.value.place.path == "note.md.j2"
    assert refused.value.place.line >= 7
    assert time.process_time() - begin < 2


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_it_is_refused_again_when_it_is_filled(body: str) -> None:
    given = {"incident_id": "LG-2026-0001", "secret_types": ("a", "b")}
    with pytest.raises(ConfigError):
        fill(body, given)


def test_the_place_of_a_mistake_is_its_line_in_the_file() -> None:
    with pytest.raises(ConfigError) as refused:
        made("one\ntwo\n{{ secret_type }}\n")
    assert refused.value.message == "the template shows 'secret_type', which it does not require"
    assert refused.value.place is not None
    assert (refused.value.place.line, refused.value.place.text) == (9, "{{ secret_type }}")


def test_an_unknown_fact_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError) as refused:
        made("x", HEAD + "requires: [incident_idd]\n---\n")
    assert "did you mean 'incident_id'?" in refused.value.hints


@pytest.mark.parametrize(
    "head, said",
    [
        ("no description", "begins with its description"),
        ("---\ntitle: x\n", "begins with its description"),
        ("---\n---\n", "the description is empty"),
        ("---\ntitle: x\n---\n", "a template needs 'audience'"),
        (HEAD + FACTS.replace("---", "colour: red\n---"), "unknown key 'colour'"),
        (HEAD + FACTS.replace("---", "tlp: PINK\n---"), "unknown tlp 'PINK'"),
        (HEAD + FACTS.replace("---", "order: [after-lunch]\n---"), "unknown order 'after-lunch'"),
        (HEAD + FACTS.replace("---", "per: person\n---"), "unknown per 'person'"),
        (HEAD + "requires: [incident_id, tenant_must]\n---\n", "is not known for a message per"),
        (HEAD.replace("internal", "customers") + FACTS, "needs somebody who agrees"),
        (HEAD + FACTS.replace("---", "title: again\n---"), "'title' stands twice"),
        ("---\na: &x [1]\nb: *x\n---\n", "YAML aliases are not accepted"),
    ],
)
def test_a_wrong_description_is_refused(head: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        made("x", head)


def test_a_template_has_a_size() -> None:
    with pytest.raises(ConfigError, match="at most"):
        made("x" * (LARGEST + 1))


def test_a_message_has_a_size() -> None:
    asks = (Ask("incident_id", "the incident", ""), Ask("secret_types", "types", ""))
    body = "{% for a in secret_types %}{{ a }}{{ a }}{{ a }}{% endfor %}"
    kind = Template("n", "", "Note", "internal", "s", body, asks)
    facts = {"incident_id": "LG-2026-0001", "secret_types": ("x" * 900,) * 100}
    with pytest.raises(ConfigError, match="would be larger"):
        render(kind, facts)


def test_a_list_that_is_shown_whole_is_no_text() -> None:
    with pytest.raises(ConfigError, match="no text"):
        fill("{{ secret_types }}", {"secret_types": ("a",)})


def test_a_method_is_no_text() -> None:
    with pytest.raises(ConfigError):
        fill("{{ incident_id.upper }}", {"incident_id": "x"})


def test_a_fact_that_was_not_given_stops_the_message() -> None:
    with pytest.raises(ConfigError):
        fill("{{ incident_id }}", {})


def test_a_template_in_a_fact_stays_text() -> None:
    assert fill("{{ a }}", {"a": "{{ 7 * 7 }}{% for %}"}) == "{{ 7 \\* 7 }}{% for %}"


def test_long_facts_and_lists_are_cut_and_it_is_said() -> None:
    text = fill("{% for a in b %}{{ a }}\n{% endfor %}", {"b": tuple(map(str, range(300)))})
    assert text.endswith("and 100 more\n")
    assert len(fill("{{ a }}", {"a": "x" * 5000})) == 1000


def test_our_own_templates_are_clean_too() -> None:
    for kind in shipped():
        assert wrong(kind.body) is None
        assert {name for name, _ in names(kind.body)} <= set(kind.facts)


# a repository's own templates


def own(tmp_path: Path, name: str, text: str) -> str:
    folder = tmp_path / ".leakguard" / "templates"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md.j2").write_text(text)
    return str(tmp_path)


def shipped_text(name: str) -> str:
    return Path(FOLDER, f"{name}.md.j2").read_text()


def test_an_own_template_stands_beside_ours(tmp_path: Path) -> None:
    top = own(tmp_path, "note", HEAD + FACTS + "{{ secret_types | join }}")
    assert template("note", top).title == "Note"
    assert len(templates(top)) == len(shipped()) + 1
    with pytest.raises(UsageError, match="there is no message 'nota'"):
        template("nota", top)


def test_ours_may_be_said_in_other_words(tmp_path: Path) -> None:
    text = shipped_text("resolution").replace("Recovery was confirmed at", "Es geht wieder seit")
    kind = template("resolution", own(tmp_path, "resolution", text))
    assert "Es geht wieder seit" in kind.body
    assert kind.order == template("resolution").order


@pytest.mark.parametrize(
    "name, old, new, said",
    [
        ("customer-disclosure", "gate: legal", "gate: approval", "weakens `gate`"),
        ("executive-brief", "tlp: AMBER+STRICT", "tlp: GREEN", "widens `tlp`"),
        ("vendor-notice", "audience: vendor", "audience: internal", "changes 'audience'"),
        ("resolution", "verdict, follow_up]", "follow_up]", "lacks the fact 'verdict'"),
    ],
)
def test_ours_cannot_be_weakened(tmp_path: Path, name: str, old: str, new: str, said: str) -> None:
    text = shipped_text(name).replace(old, new).replace("{{ verdict }}", "all is well")
    with pytest.raises(ConfigError, match=said):
        templates(own(tmp_path, name, text))


def test_an_own_template_cannot_drop_our_order(tmp_path: Path) -> None:
    text = shipped_text("purge-request").replace("order: [after-declaration, after-rotation]\n", "")
    kind = template("purge-request", own(tmp_path, "purge-request", text))
    assert kind.order == ("after-declaration", "after-rotation")


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.md.j2"
    outside.write_text(HEAD + FACTS)
    repository = tmp_path / "repository"
    folder = repository / ".leakguard" / "templates"
    folder.mkdir(parents=True)
    (folder / "note.md.j2").symlink_to(outside)
    with pytest.raises(ConfigError, match="leads out of the repository"):
        templates(str(repository))
