"""How hypothesis makes a `start`: it takes msgspec's mark of a default that is made anew for the default itself."""

from __future__ import annotations

from hypothesis import strategies as st

from asr_hub.wire.messages import Configure, Start

_LANGUAGES = st.none() | st.sampled_from(["en", "zh-TW"])
_WORDS = st.just(()) | st.just(("Zermatt",))
_WEIGHTS = st.dictionaries(st.sampled_from(["Zermatt", "Brig"]), st.floats(0.1, 10), max_size=2)

st.register_type_strategy(Start, st.builds(Start, language=_LANGUAGES, hotwords=_WORDS, hotword_weights=_WEIGHTS))
st.register_type_strategy(
    Configure,
    st.builds(Configure, language=_LANGUAGES, hotwords=st.none() | _WORDS, hotword_weights=st.none() | _WEIGHTS),
)
