"""How hypothesis makes a `start`: it takes msgspec's mark of a default that is made anew for the default itself."""

from __future__ import annotations

from hypothesis import strategies as st

from asr_hub.wire.messages import Start

st.register_type_strategy(
    Start,
    st.builds(
        Start,
        language=st.none() | st.sampled_from(["en", "zh-TW"]),
        hotwords=st.just(()) | st.just(("Zermatt",)),
        hotword_weights=st.dictionaries(st.sampled_from(["Zermatt", "Brig"]), st.floats(0.1, 10), max_size=2),
    ),
)
