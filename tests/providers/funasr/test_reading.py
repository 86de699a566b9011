"""The parts that need no model: tags, pieces, times, the predictor's sums, and what torch's errors mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.funasr.engines import torch

from asr_hub.errors import ConfigError, OutOfMemory
from asr_hub.providers.funasr.chunk_predictor import integrate
from asr_hub.providers.funasr.failures import told
from asr_hub.providers.funasr.layout import guessed_type
from asr_hub.providers.funasr.paraformer import vocabulary_languages
from asr_hub.providers.funasr.pieces import Piece, words_of
from asr_hub.providers.funasr.settings import FunAsrSettings, check
from asr_hub.providers.funasr.spelling import Token, spelled
from asr_hub.providers.funasr.tags import EMOTIONS, EVENTS, LANGUAGES, language_name, read_tags
from asr_hub.providers.funasr.times import spans
from asr_hub.providers.host.engine import Broken

pytestmark = pytest.mark.unit


def test_tags_are_read_and_taken_out() -> None:
    heard = read_tags("<|zh|><|HAPPY|><|BGM|><|withitn|>今天天气怎么样")
    assert heard == ("今天天气怎么样", "zh", {"emotion": "happy", "event": "bgm"})
    assert read_tags("<|nospeech|><|EMO_UNKNOWN|><|Event_UNK|><|woitn|>") == ("", None, {})
    # A long clip may change on its way: the first of each kind counts.
    mixed = read_tags("<|en|><|SAD|><|Speech|><|woitn|>so it goes <|yue|><|HAPPY|><|Laughter|> on")
    assert mixed == ("so it goes on", "en", {"emotion": "sad", "event": "speech"})


@given(st.text(alphabet="<|>abZ 你_ \n"))
def test_no_tag_is_left_whatever_is_read(text: str) -> None:
    heard = read_tags(text)
    assert len(heard.text) <= len(text)
    assert read_tags(heard.text).tags == {}


@given(
    language=st.sampled_from(LANGUAGES),
    emotion=st.sampled_from(EMOTIONS),
    event=st.sampled_from(EVENTS),
    text=st.text(alphabet="abc 你好'", max_size=20),
)
def test_every_tag_is_found(language: str, emotion: str, event: str, text: str) -> None:
    heard = read_tags(f"<|{language}|><|{emotion}|><|{event}|><|woitn|>{text}")
    assert heard.language == language
    assert heard.tags == {"emotion": emotion.lower(), "event": event.lower()}


@pytest.mark.parametrize(
    ("tag", "name"),
    [("en-US", "en"), ("zh-CN", "zh"), ("zh-Hant-HK", "yue"), ("zh-yue", "yue"), ("YUE", "yue"), ("fr", "auto")],
)
def test_languages_have_the_names_of_the_model(tag: str, name: str) -> None:
    assert language_name(tag) == name


def _pieces(*texts: str) -> list[Piece]:
    return [Piece(text, 60 * n, 60 * n + 60, 0.5) for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (("▁go", "▁for", "ward"), ["go", "forward"]),
        (("go", "ing"), ["going"]),
        (("▁", "go", "▁", "on"), ["go", "on"]),
        (("▁don", "'", "t", "▁go", "."), ["don't", "go."]),
        (("打", "开", "灯", "。"), ["打", "开", "灯。"]),
        (("▁open", "灯", "now"), ["open", "灯", "now"]),
        (("안", "녕", "▁하"), ["안녕", "하"]),
        ((), []),
    ],
)
def test_pieces_become_words(pieces: tuple[str, ...], words: list[str]) -> None:
    assert [word.text for word in words_of(_pieces(*pieces), end=10_000)] == words


@given(
    st.lists(st.tuples(st.sampled_from(["▁a", "b", "▁", "你", ".", "'"]), st.integers(0, 500)), max_size=20),
    st.integers(0, 12_000),
)
def test_words_are_in_order_and_within_the_clip(parts: list[tuple[str, int]], end: int) -> None:
    at = 0
    pieces = []
    for text, gap in parts:
        at += gap
        pieces.append(Piece(text, min(at, end), min(at + 60, end), 1.0))
        at += 60
    words = words_of(pieces, end=end)
    assert "".join(word.text for word in words) == "".join(text.removeprefix("▁") for text, _ in parts)
    edges = [edge for word in words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= end for edge in edges)


def test_a_token_reaches_from_its_firing_to_the_next() -> None:
    assert spans([6, 10, 40], 2690, 60) == [(270, 510), (510, 1230), (2310, 2690)]
    assert spans([], 2690, 60) == []


@given(st.lists(st.integers(-5, 60), max_size=12), st.integers(0, 3000))
def test_spans_are_in_order_and_within_the_clip(fires: list[int], end: int) -> None:
    edges = [edge for span in spans(sorted(fires), end, 60) for edge in span]
    assert edges == sorted(edges)
    assert all(0 <= edge <= end for edge in edges)


@pytest.mark.parametrize(
    ("tokens", "text", "words"),
    [
        (("go", "forward"), "go forward", ["go", "forward"]),
        (("go@@", "ing", "on"), "going on", ["going", "on"]),
        (("打", "开", "灯"), "打开灯", ["打", "开", "灯"]),
        (("u", "s", "a"), "USA", ["USA"]),
        (("<s>", "go", "<unk>", "</s>"), "go", ["go"]),
        (("<unk>",), "", []),
        ((), "", []),
    ],
)
def test_tokens_become_text(tokens: tuple[str, ...], text: str, words: list[str]) -> None:
    spelling = spelled([Token(token, 100 * n, 100 * n + 50) for n, token in enumerate(tokens)])
    assert spelling[0] == text
    assert [word.text for word in spelling[1]] == words


@given(st.lists(st.sampled_from(["go", "a", "b", "go@@", "你", "好", "<unk>", "'s", "9", "@@"]), max_size=12))
def test_any_tokens_have_a_text_and_times_or_none(tokens: list[str]) -> None:
    text, words = spelled([Token(token, 100 * n, 100 * n + 100) for n, token in enumerate(tokens)])
    assert "<" not in text
    assert all(0 <= word.start <= word.end <= 100 * len(tokens) for word in words)


def test_the_predictor_fires_at_each_whole_sum() -> None:
    weights = np.array([[0.5, 0.75, 0.25, 0.5, 0.25]], np.float32)
    shares, fires, rest = integrate(weights, 1.0)
    assert fires == [[1, 3]]
    assert rest.tolist() == [0.25]
    assert shares.tolist() == [[[0.5, 0.5, 0, 0, 0], [0, 0.25, 0.25, 0.5, 0], [0, 0, 0, 0, 0.25]]]


@given(st.integers(1, 4), st.integers(1, 20), st.integers(0, 2**31))
def test_every_token_is_one_whole_and_nothing_is_lost(rows: int, columns: int, seed: int) -> None:
    weights = np.random.default_rng(seed).random((rows, columns), np.float32)
    shares, fires, rest = integrate(weights, 1.0)
    assert np.allclose(shares.sum(axis=1), weights, atol=1e-5)
    for row in range(rows):
        count = len(fires[row])
        sums = shares[row].sum(axis=1)
        assert np.allclose(sums[:count], 1, atol=1e-5)
        assert np.isclose(sums[count], rest[row], atol=1e-5)
        assert not sums[count + 1 :].any()
        assert fires[row] == sorted(set(fires[row]))
        # In a batch as alone.
        alone, alone_fires, alone_rest = integrate(weights[row : row + 1], 1.0)
        assert (alone_fires[0], alone_rest[0]) == (fires[row], rest[row])
        assert np.array_equal(alone[0], shares[row, : count + 1])


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (MemoryError(), OutOfMemory),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), OutOfMemory),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"), OutOfMemory),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), OutOfMemory),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"), OutOfMemory),
        (RuntimeError("CUDA error: unspecified launch failure"), Broken),
        (RuntimeError("CUDA error: device-side assert triggered"), Broken),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), Broken),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RuntimeError),
        (ValueError("out of memory of the past"), ValueError),
    ],
)
def test_what_torch_says_has_a_meaning(raised: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught, told():
        raise raised
    assert type(caught.value) is expected


def test_memory_that_really_ran_out_is_known_as_such() -> None:
    with pytest.raises(OutOfMemory, match="no memory for this batch"), told():
        torch.empty(1 << 60)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("paraformer-zh-streaming", "ParaformerStreaming"),
        ("speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-online", "ParaformerStreaming"),
        ("/models/SenseVoiceSmall", "SenseVoiceSmall"),
        ("paraformer-zh", "SeacoParaformer"),
        ("speech_paraformer-large-contextual_asr_nat-zh-cn-16k", "ContextualParaformer"),
        ("mine", "Paraformer"),
    ],
)
def test_a_model_that_is_not_here_is_known_by_its_name(name: str, kind: str) -> None:
    assert guessed_type(name) == kind


def test_languages_are_those_of_the_vocabulary() -> None:
    assert vocabulary_languages(["<blank>", "<s>", "你", "9"]) == ("zh",)
    assert vocabulary_languages(["<blank>", "go@@", "<unk>"]) == ("en",)
    assert vocabulary_languages(["你", "go"]) == ("zh", "en")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chunk_size": (0, 0, 5)}, "chunk_size"),
        ({"chunk_size": (-1, 10, 5)}, "chunk_size"),
        ({"encoder_look_back": -1}, "encoder_look_back must be at least 0"),
        ({"decoder_look_back": -1}, "decoder_look_back must be at least 0"),
        ({"max_clip_s": 0.5}, "max_clip_s"),
        ({"max_clip_s": float("nan")}, "max_clip_s"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check("ears", FunAsrSettings(**settings))  # type: ignore[arg-type]
