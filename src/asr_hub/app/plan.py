"""What a configuration comes to: the providers, the limits, and the parts of the audio plane."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from asr_hub.audio.files import Limits as FileLimits
from asr_hub.audio.operators.base import Vad
from asr_hub.audio.operators.endpoint import EndpointSettings
from asr_hub.audio.operators.fsmn import FsmnVad
from asr_hub.audio.operators.light import LightVad
from asr_hub.audio.operators.silero import SileroVad
from asr_hub.config.schema import Config
from asr_hub.effects.breaking import BreakerPolicy
from asr_hub.effects.recognition import Listening
from asr_hub.effects.strategy import Accurate, Hedge, Identify, Patience, Route, Shadow, Strategy
from asr_hub.hub.hub import Limits
from asr_hub.hub.reload import Plan
from asr_hub.jobs.cutting_messages import CutSettings
from asr_hub.model import ProviderName
from asr_hub.models.folder import find
from asr_hub.providers import registry
from asr_hub.providers.policy import stay_inside


def plan_of(config: Config) -> Plan:
    """What may change while the hub runs. Raises ConfigError, ProviderUnavailable where `auto` finds nothing."""
    entries = {name: registry.Entry(it.kind, it.settings) for name, it in config.providers.items()}
    if config.policy == "local":
        stay_inside(entries)
    name, reason = config.provider, None
    if name == "auto":
        name, reason = registry.resolve_auto(entries)
        entries.setdefault(name, registry.Entry(name, {}))
    return Plan(
        entries={ProviderName(name): entry for name, entry in entries.items()},
        fallbacks={
            ProviderName(name): ProviderName(it.fallback)
            for name, it in config.providers.items()
            if it.fallback is not None
        },
        default=ProviderName(name),
        resolution=reason,
        limits=_limits(config),
        strategy=_strategy(config),
        breaker=_breaker(config),
    )


def vad_of(config: Config) -> Vad | None:
    match config.audio.vad:
        case "silero":
            return SileroVad() if config.audio.gate else SileroVad(gate=None)
        case "fsmn" if config.audio.vad_model is not None:
            return FsmnVad(find(config.audio.vad_model, engine="funasr"))
        case "light":
            return LightVad()
        case _:
            return None


def endpoint_of(config: Config) -> EndpointSettings:
    it = config.audio.endpointing
    return EndpointSettings(
        threshold=it.threshold,
        release=it.release,
        min_speech=it.min_speech_s,
        min_silence=it.min_silence_s,
        pre_roll=it.pre_roll_s,
        max_utterance=it.max_utterance_s,
    )


def cutting_of(config: Config) -> CutSettings:
    """How files are cut: as live audio is, but into segments that may be heard side by side."""
    audio, jobs = config.audio, config.jobs
    endpoint = endpoint_of(config)
    longest = min(endpoint.max_utterance, jobs.longest_segment_s)
    return CutSettings(
        vad=audio.vad,
        vad_model=str(find(audio.vad_model, engine="funasr")) if audio.vad_model is not None else None,
        gate=audio.gate,
        endpoint=replace(endpoint, max_utterance=max(longest, endpoint.shortest_limit)),
        limits=FileLimits(seconds=jobs.max_audio_s, bytes=jobs.max_file_bytes),
    )


def wake_word_of(config: Config) -> Listening | None:
    if config.wake_word is None:
        return None
    return Listening(
        provider=ProviderName(config.wake_word.provider),
        phrases=config.wake_word.phrases,
        min_silence=config.audio.endpointing.min_silence_s,
    )


def _strategy(config: Config) -> Strategy:
    """What is done with an utterance beside giving it to its engine."""
    it = config.recognition
    accurate, corrected = it.passes.accurate, it.passes.corrected
    return Strategy(
        patience=Patience(
            attempts=it.failover.attempts,
            backoff_s=it.failover.backoff_s,
            stall_s=it.failover.stall_s,
            stall_with_heir_s=it.failover.stall_with_heir_s,
        ),
        accurate=Accurate(providers=_names(accurate.providers), budget_s=accurate.budget_s) if accurate else None,
        corrected_by=ProviderName(corrected.model if corrected else ""),
        corrected_budget_s=corrected.budget_s if corrected else None,
        routes=tuple(
            Route(
                providers=_names(route.providers),
                languages=route.languages,
                max_sample_rate=route.max_sample_rate,
                min_waiting=route.min_waiting,
                min_waiting_s=route.min_waiting_s,
                prefer=route.prefer,
            )
            for route in it.routes
        ),
        costs={ProviderName(name): provider.cost for name, provider in config.providers.items()},
        identify=Identify(allowed=it.language_id.allowed, after=it.language_id.after) if it.language_id else None,
        hedge=Hedge(provider=ProviderName(it.hedging.provider), share=it.hedging.share, min_ms=it.hedging.min_ms)
        if it.hedging
        else None,
        shadow=Shadow(provider=ProviderName(it.shadow.provider), every=it.shadow.every) if it.shadow else None,
        refuse_garbage=it.refuse_garbage,
        suppress_phantoms=it.suppress_phantoms,
        match_hotwords=it.match_hotwords,
        polish=it.polish,
        speakers=it.speakers is not None,
    )


def _breaker(config: Config) -> BreakerPolicy:
    it = config.recognition.breaker
    return BreakerPolicy(failures=it.failures, window_s=it.window_s, open_s=it.open_s, max_open_s=it.max_open_s)


def _names(names: Iterable[str]) -> tuple[ProviderName, ...]:
    return tuple(ProviderName(name) for name in names)


def _limits(config: Config) -> Limits:
    it = config.sessions
    return Limits(
        max_sessions=it.max_sessions,
        max_viewers=it.max_viewers,
        resume_window=it.resume_window_s,
        idle_timeout=it.idle_timeout_s,
        audio_buffer=it.audio_buffer_s,
        history_messages=it.history_messages,
        history_bytes=it.history_bytes,
    )
