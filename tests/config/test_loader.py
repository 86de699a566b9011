from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asr_hub.config.loader import MAX_BYTES, load, parse
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError

pytestmark = pytest.mark.unit


def refusal(text: str, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "hub.yaml", env=env)
    return str(caught.value)


def test_nothing_is_the_defaults(tmp_path: Path) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("# only a comment\n")
    assert load(None) == load(empty) == parse("", "hub.yaml") == Config()


def test_sections_whose_keys_are_all_commented_out_have_their_defaults() -> None:
    assert parse("server:\nproviders:\nwake_word:\naudio:\n  endpointing:\n", "hub.yaml") == Config()


@pytest.mark.parametrize(
    ("written", "env", "port"),
    [
        ("${PORT:8765}", {}, 8765),
        ("${PORT:8765}", {"PORT": "9000"}, 9000),
        ("${PORT:8765}", {"PORT": ""}, 8765),
        ("${PORT}", {"PORT": "9000"}, 9000),
        ("90${TAIL}", {"TAIL": "01"}, 9001),
        ('"${PORT}"', {"PORT": "9000"}, 9000),
    ],
)
def test_variables_are_typed_as_yaml_types_them(written: str, env: dict[str, str], port: int) -> None:
    assert parse(f"server:\n  port: {written}\n", "hub.yaml", env=env).server.port == port


def test_quoted_variables_stay_text() -> None:
    config = parse(
        """
        providers:
          one:
            kind: scripted
            settings: {quoted: "${N}", plain: [1, 2.5, true, null, off, 12:30, ~], path: "/m/${N}/${D:x:y}"}
        """,
        "hub.yaml",
        env={"N": "7"},
    )
    assert config.providers["one"].settings == {
        "quoted": "7",
        "plain": [1, 2.5, True, None, "off", "12:30", None],
        "path": "/m/7/x:y",
    }


def test_a_variable_cannot_add_structure() -> None:
    config = parse("server:\n  host: ${HOST}\n", "hub.yaml", env={"HOST": "a\n  port: 1"})
    assert config.server.host == "a\n  port: 1"
    assert config.server.port == Config().server.port


def test_a_doubled_dollar_is_a_plain_one() -> None:
    assert parse("server:\n  host: a$${B}c$\n", "hub.yaml").server.host == "a${B}c$"


def test_every_missing_variable_is_named_with_its_place() -> None:
    assert refusal("server:\n  host: ${HOST}\n  port: ${PORT}\n").splitlines() == [
        "hub.yaml:2: server.host: needs the environment variable HOST; set it, or write ${HOST:default}",
        "hub.yaml:3: server.port: needs the environment variable PORT; set it, or write ${PORT:default}",
    ]


@pytest.mark.parametrize("bad", ["${", "${1x}", "${A", "${}", "a${ B }"])
def test_a_broken_reference_is_told(bad: str) -> None:
    assert refusal(f"server:\n  host: '{bad}'\n").startswith("hub.yaml:2: server.host: has `${` without a variable")


def test_off_is_the_word_off() -> None:
    assert parse("audio:\n  vad: off\n", "hub.yaml").audio.vad == "off"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "sessions:\n  max_sesions: 3\n",
            "hub.yaml:2: sessions.max_sesions: there is no such key; did you mean `max_sessions`?",
        ),
        (
            "audio:\n  endpointing:\n    min_silence: 1\n",
            "hub.yaml:3: audio.endpointing.min_silence: there is no such key; did you mean `min_silence_s`?",
        ),
        (
            "providers:\n  a:\n    kind: x\n    setings: {}\n",
            "hub.yaml:4: providers.a.setings: there is no such key; did you mean `settings`?",
        ),
        (
            "wake_word:\n  provider: auto\n  phrases: [hi]\n  foo: 1\n",
            "hub.yaml:4: wake_word.foo: there is no such key; known here: provider, phrases, timeout_s",
        ),
        ("providers:\n  a: {}\n", "hub.yaml:2: providers.a.kind: is missing; it has no default"),
        ("provider: sfinx\n", "hub.yaml:1: provider: is 'sfinx', but `providers` has no such entry; there are: none"),
        (
            "wake_word:\n  phrases: [hi]\n  provider: b\nproviders: {a: {kind: x}}\n",
            "hub.yaml:3: wake_word.provider: is 'b', but `providers` has no such entry; there are: a",
        ),
        ("audio: 3\n", "hub.yaml:1: audio: is a section with keys below it; there is 3"),
        ("server:\n  port: 1\n  port: 2\n", "hub.yaml:3: server.port: is already set on line 2; remove one of the two"),
        ("server:\n  port: 1\nserver:\n  port: 2\n", "hub.yaml:3: server: is already set on line 1"),
        ("1: 2\n", "hub.yaml:1: 1: this key is no text; put it in quotes"),
        ("? [a]\n: 2\n", "hub.yaml:1: ?: this key is no text; put it in quotes"),
        ("- a\n", "hub.yaml: must hold sections such as `server:`, not a list"),
        ("hello\n", "hub.yaml: must hold sections such as `server:`, not text"),
        ("server:\n\tport: 1\n", "hub.yaml:2: is not YAML: found character '\\t'"),
        ("server: {port: ${P}}\n", 'put "${VARIABLE}" in quotes'),
        ("a: 1\n---\nb: 2\n", "hub.yaml:2: is not YAML: but found another document"),
        ("server:\n  host: !!python/name:os.system x\n", "hub.yaml:2: has a tag"),
        ("server:\n  port: " + "9" * 5000, "hub.yaml:2: server.port: has too many digits"),
        ("server:\n  host: \x00\n", "is not YAML: special characters are not allowed"),
        ("audio:\n  endpointing: {threshold: nan}\n", "audio.endpointing.threshold: should be a finite number"),
        (
            "audio:\n  endpointing:\n    threshold: 0.3\n",
            "hub.yaml:2: audio.endpointing: `release` (0.35) must not be above `threshold` (0.3); lower it",
        ),
        (
            "audio:\n  endpointing: {pre_roll_s: 2, max_utterance_s: 3}\n",
            "hub.yaml:2: audio.endpointing: `max_utterance_s` must be at least 3.4 with this pre-roll; raise it",
        ),
        (
            "recognition:\n  passes: {accurate: {providers: whisper}}\n",
            "hub.yaml:2: recognition.passes.accurate.providers: is a list, as in [a, b]; there is 'whisper'",
        ),
        (
            "recognition:\n  passes: {accurate: {providers: []}}\n",
            "hub.yaml:2: recognition.passes.accurate.providers: needs at least 1 in its list",
        ),
        (
            "recognition:\n  routes: [{providers: [auto], languages: [german!]}]\n",
            "hub.yaml:2: recognition.routes.0.languages: 'german!' is no language tag; write it as en or zh-TW",
        ),
        (
            "recognition:\n  language_id: {allowed: [xx-nope-!!]}\n",
            "hub.yaml:2: recognition.language_id.allowed: 'xx-nope-!!' is no language tag; write it as en or zh-TW",
        ),
        (
            "recognition:\n  breaker: {open_s: 60, max_open_s: 5}\n",
            "hub.yaml:2: recognition.breaker: `max_open_s` must not be below `open_s` (60); raise it",
        ),
        (
            "recognition:\n  failover: {stall_s: 5, stall_with_heir_s: 60}\n",
            "hub.yaml:2: recognition.failover: `stall_with_heir_s` must not be above `stall_s` (5); lower it",
        ),
        ("server:\n  <<: 3\n", "hub.yaml:1: server: `<<` takes sections, not a number"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_remedy(text: str, said: str) -> None:
    assert said in refusal(text)


def test_all_mistakes_are_told_in_the_order_of_the_file() -> None:
    told = refusal("sessions:\n  max_sesions: 3\n  max_viewers: x\nproviderz: {}\nserver: {port: -1}\n").splitlines()
    assert [line.split(":")[1] for line in told] == ["2", "3", "4", "5"]


def test_a_flood_of_mistakes_is_cut() -> None:
    told = refusal("".join(f"key{n}: 1\n" for n in range(50))).splitlines()
    assert len(told) == 21
    assert told[-1] == "hub.yaml: and 30 more"


@pytest.mark.parametrize("key", ["api_key", "Token", "client_secret", "password"])
def test_a_secret_is_never_shown(key: str) -> None:
    assert "hunter2" not in refusal(f"server:\n  {key}: hunter2\n")
    assert "hunter2" not in refusal(f"server:\n  port: {{{key}: hunter2}}\n")


def test_the_content_of_a_variable_is_never_shown() -> None:
    told = refusal("server:\n  port: ${PORT}\n", PORT="hunter2")
    assert "hunter2" not in told
    assert told.endswith("the value comes from ${PORT}")


def test_anchors_and_merges_spare_repetition() -> None:
    config = parse(
        """
        x-engine: &engine
          kind: scripted
          settings: {delay_s: 1}
        providers:
          one: *engine
          two:
            <<: [{kind: other}, *engine]
            settings: {delay_s: 2}
        """,
        "hub.yaml",
    )
    assert config.providers["one"].settings == {"delay_s": 1}
    assert config.providers["two"].kind == "other"
    assert config.providers["two"].settings == {"delay_s": 2}


def test_an_alias_bomb_is_refused() -> None:
    levels = ["x-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    levels += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "expand beyond all measure" in refusal("\n".join(levels))


@pytest.mark.parametrize("text", ["x-a: &a [*a]", "x-a: &a {b: *a}", "x-a: &a {<<: *a}"])
def test_an_alias_to_itself_is_refused(text: str) -> None:
    assert "expand beyond all measure" in refusal(text)


@pytest.mark.parametrize("text", ["x: " + "[" * 5000, "x: " + "{a: " * 5000, "- " * 5000])
def test_deep_nesting_is_refused(text: str) -> None:
    assert "nested more than" in refusal(text)


def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_bytes(b"# " + b"x" * MAX_BYTES)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: 1\nb: \xe9\n")
    for path, said in [
        (large, "is longer than 256 KiB"),
        (latin, "latin.yaml:2: is not UTF-8"),
        (tmp_path, "cannot be read"),
        (tmp_path / "none.yaml", "there is no such file"),
    ]:
        with pytest.raises(ConfigError, match=said):
            load(path)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab:-[]{}&*<>|!%$#'\"\n \t,?123\u2028x"), max_size=60))
@example("\ufeffserver: {}")
def test_any_text_is_taken_or_refused_by_name(text: str) -> None:
    try:
        parse(text, "hub.yaml", env={})
    except ConfigError as exc:
        assert str(exc).startswith("hub.yaml")


@settings(max_examples=100, deadline=None)
@given(st.text(string.printable, min_size=1, max_size=40))
def test_whatever_a_variable_holds_arrives_unchanged(content: str) -> None:
    assert parse('server:\n  host: "<${V}>"\n', "hub.yaml", env={"V": content}).server.host == f"<{content}>"
