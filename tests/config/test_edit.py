from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.config import edit
from asr_hub.config.loader import MAX_BYTES, load, parse
from asr_hub.errors import ConfigError

pytestmark = pytest.mark.unit

SHAPES = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))


def use(text: str) -> str:
    return edit.use_provider(text, "new", kind="vosk", model="m-1.0")


ENTRY = "  new:\n    kind: vosk\n    settings:\n      model: m-1.0\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"provider: new\nproviders:\n{ENTRY}"),
        ("# only words\n", f"# only words\nprovider: new\nproviders:\n{ENTRY}"),
        ("# no line end", f"# no line end\nprovider: new\nproviders:\n{ENTRY}"),
        ("provider: auto", f"provider: new\nproviders:\n{ENTRY}"),
        ("provider:\nproviders:\n", f"provider: new\nproviders:\n{ENTRY}"),
        ("providers: # all\n\nprovider:   'a' # b\n", f"providers: # all\n{ENTRY}\nprovider:   'new' # b\n"),
        (
            'provider: "a"\nproviders: {}\n',
            'provider: "new"\nproviders: {new: {kind: vosk, settings: {model: m-1.0}}}\n',
        ),
        (
            "providers: {a: {kind: b} , }  # c\n",
            "providers: {a: {kind: b}, new: {kind: vosk, settings: {model: m-1.0}} , }  # c\nprovider: new\n",
        ),
        (
            "providers:\n    a:\n        kind: b\n        # of a\n\n    # of nobody\nserver:\n",
            (
                "providers:\n    a:\n        kind: b\n        # of a\n    new:\n      kind: vosk\n      settings:\n"
                "        model: m-1.0\n\n    # of nobody\nserver:\nprovider: new\n"
            ),
        ),
        (
            "providers:\n  new:\n    settings: {x: 1}\n",
            "providers:\n  new:\n    settings: {x: 1, model: m-1.0}\n    kind: vosk\nprovider: new\n",
        ),
        (
            "providers:\n  new:\n    kind: old # k\n    settings:\n      model: 'o' # m\n",
            "providers:\n  new:\n    kind: vosk # k\n    settings:\n      model: 'm-1.0' # m\nprovider: new\n",
        ),
        (
            "providers:\n  a:\n    kind: |\n      b\nserver:\n",
            f"providers:\n  a:\n    kind: |\n      b\n{ENTRY}server:\nprovider: new\n",
        ),
        (
            "x-a: &a {kind: b}\nproviders:\n  a: *a\n",
            f"x-a: &a {{kind: b}}\nproviders:\n  a: *a\n{ENTRY}provider: new\n",
        ),
        (
            "provider: a\r\nproviders:\r\n  a: {kind: b}\r\n",
            f"provider: new\nproviders:\n  a: {{kind: b}}\n{ENTRY}".replace("\n", "\r\n"),
        ),
        ("\ufeffprovider: a\n", f"\ufeffprovider: new\nproviders:\n{ENTRY}"),
        ("---\nprovider: a\nproviders:\n...\n", f"---\nprovider: new\nproviders:\n{ENTRY}...\n"),
        ("{provider: a}\n", "{provider: new, providers: {new: {kind: vosk, settings: {model: m-1.0}}}}\n"),
        ("{}\n", "{provider: new, providers: {new: {kind: vosk, settings: {model: m-1.0}}}}\n"),
    ],
)
def test_only_the_wanted_lines_change(before: str, after: str) -> None:
    assert use(before) == after
    assert use(after) == after


@pytest.mark.parametrize(
    "text",
    [
        "p: &p auto\nprovider: *p\n",
        "provider: &p auto\nx-a: *p\n",
        "x-a: &a {new: {kind: b}}\nproviders: *a\n",
        "x-a: &a\n  kind: b\nproviders:\n  new: *a\n",
        "x-a: &a {}\nproviders:\n  new:\n    settings: *a\n",
        "providers: &a {new: {kind: b}}\nx-a: *a\n",
        "providers: [1]\n",
        "providers: text\n",
        "provider: a\nprovider: b\n",
    ],
)
def test_what_cannot_be_changed_alone_is_left_to_people(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        use(text)
    assert "write this in by hand:\n" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "- 1\n",
        "text",
        "a: {b: *c}",
        "[" * 5000,
        "a: !!python/x [",
        "\0",
        "? [a]\n: b\n",
        "a: &a [*a]",
        "x" * MAX_BYTES + "x",
    ],
)
def test_what_is_no_configuration_is_told(text: str) -> None:
    with pytest.raises(ConfigError):
        use(text)


def test_an_alias_bomb_is_told() -> None:
    bomb = "x-0: &l0 [a]\n" + "".join(f"x-{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(ConfigError, match="beyond all measure"):
        use(bomb)


@pytest.mark.parametrize(
    "value", ["true", "No", "~", "12:30", "010", "a b", "a: b", "#x", "'", '"', "", "é", "${X}", "-", "a\nb"]
)
def test_any_text_stays_text(value: str) -> None:
    for before in ("", "provider: a\n", "provider: 'a'\n", 'provider: "a"\n', "{provider: a}\n"):
        after = edit.assign(before, ("provider",), value)
        assert yaml.safe_load(after) == {"provider": value}


@pytest.mark.parametrize("path", SHAPES, ids=lambda path: path.stem)
def test_in_every_shape_of_ours_lines_are_only_added_and_one_changed(path: Path) -> None:
    before = path.read_text()
    after = edit.use_provider(before, "new", kind="scripted")
    kept = [line for line in before.splitlines() if not line.startswith("provider:")]
    lines = iter(after.splitlines())
    assert all(line in lines for line in kept)
    config = parse(after, str(path), env={"ASR_HUB_SPHINX_8K": "x", "GOOGLE_CLOUD_PROJECT": "x"})
    assert config.provider == "new"
    assert set(parse(before, str(path), env={"ASR_HUB_SPHINX_8K": "x", "GOOGLE_CLOUD_PROJECT": "x"}).providers) | {
        "new"
    } == set(config.providers)


# Documents as people write them: any order, indentation, quotes, flow and block, comments everywhere.

WORDS = st.sampled_from(["a", "b", "server", "x-y", "new", "settings", "kind", "model"])
SCALARS = st.sampled_from(["1", "text", "'quoted # no'", '"two: x"', "", "12:30", "[1, 2]", "{}", "{k: v}", "[]"])


@st.composite
def comments(draw: st.DrawFn, indent: str) -> str:
    kind = draw(st.integers(0, 3))
    number = draw(st.integers(0, 99))
    return ["", "", f"{indent}# note {number}\n", f"\n{indent}# note {number}\n\n"][kind]


@st.composite
def mappings(draw: st.DrawFn, indent: str, keys: list[str], depth: int = 0) -> str:
    step = draw(st.sampled_from(["  ", "    ", " "]))
    lines = []
    for key in keys:
        lines.append(draw(comments(indent)))
        tail = draw(st.sampled_from(["", "  # tail"]))
        shape = draw(st.sampled_from(["scalar", "block", "list", "literal"] if depth < 2 else ["scalar", "list"]))
        inner = indent + step
        if shape == "scalar":
            lines.append(f"{indent}{key}: {draw(SCALARS)}{tail}\n")
        elif shape == "list":
            item = draw(st.sampled_from([indent, inner]))
            lines.append(f"{indent}{key}:{tail}\n{item}- one{tail}\n{item}- two\n")
        elif shape == "literal":
            lines.append(f"{indent}{key}: |\n{inner}some text\n{inner}# no comment\n")
        else:
            below = draw(st.lists(WORDS, min_size=1, max_size=3, unique=True))
            lines.append(f"{indent}{key}:{tail}\n{draw(mappings(inner, below, depth + 1))}")
    return "".join(lines)


@st.composite
def documents(draw: st.DrawFn) -> str:
    keys = draw(st.lists(st.sampled_from(["provider", "providers", "server", "x-1", "x-2"]), unique=True))
    text = draw(mappings("", keys)) + draw(comments(""))
    text = text.replace("provider: |\n", "provider: |-\n")
    if draw(st.booleans()):
        text = text.removesuffix("\n")
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def notes(text: str) -> list[str]:
    """The comments that the strategies write, in order; quoted and literal text holds lines that only look so."""
    return re.findall(r"# (?:note \d+|tail)", text)


def without(data: Any, *keys: str) -> Any:  # what YAML can hold
    return {key: value for key, value in (data or {}).items() if key not in keys}


def old(data: dict[str, Any]) -> Any:  # what YAML can hold
    providers = data.get("providers")
    return providers.get("new") if isinstance(providers, dict) else None


def has_no_place(data: dict[str, Any]) -> bool:
    """Whether something else stands where the new settings should go."""
    if isinstance(data.get("provider"), dict | list):
        return True
    for key in ("providers", "new", "settings"):
        inner = data.get(key, "")
        if not isinstance(inner, dict):
            return inner != ""
        if isinstance(inner.get("kind"), dict | list) and key == "new":
            return True
        data = inner
    return isinstance(data.get("model"), dict | list)


@settings(deadline=None, max_examples=400)
@given(documents())
def test_every_comment_and_every_other_key_survives(text: str) -> None:
    before = yaml.load(text, Loader=yaml.BaseLoader) or {}
    try:
        after = use(text)
    except ConfigError as exc:
        assert "write this in by hand" in str(exc)
        assert has_no_place(before) or (not text.endswith("\n") and "|" in text)
        return
    data = yaml.load(after, Loader=yaml.BaseLoader)
    assert data["provider"] == "new"
    assert data["providers"]["new"]["kind"] == "vosk"
    assert without(data["providers"]["new"], "kind", "settings") == without(old(before), "kind", "settings")
    assert data["providers"]["new"]["settings"]["model"] == "m-1.0"
    assert without(data, "provider", "providers") == without(before, "provider", "providers")
    if isinstance(before.get("providers"), dict):
        assert without(data["providers"], "new") == without(before["providers"], "new")
    assert notes(after) == notes(text)
    assert use(after) == after


def test_the_file_is_replaced_with_its_permissions_and_links_stay(tmp_path: Path) -> None:
    path = tmp_path / "real.yaml"
    path.write_text("provider: auto\n")
    path.chmod(0o640)
    link = tmp_path / "hub.yaml"
    link.symlink_to(path)
    edit.replace(link, "provider: auto # é\n")
    assert link.is_symlink()
    assert path.read_text() == "provider: auto # é\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert {entry.name for entry in tmp_path.iterdir()} == {"real.yaml", "hub.yaml"}
    edit.replace(tmp_path / "new.yaml", "# x\n")
    assert load(tmp_path / "new.yaml").provider == "auto"


def test_a_file_that_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    assert edit.read(tmp_path / "none.yaml") is None
    bad = tmp_path / "bad.yaml"
    bad.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        edit.read(bad)
    bad.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="is longer than"):
        edit.read(bad)
    with pytest.raises(ConfigError, match="cannot be read"):
        edit.read(tmp_path)
    with pytest.raises(ConfigError, match="cannot be written"):
        edit.replace(tmp_path / "none" / "hub.yaml", "")
