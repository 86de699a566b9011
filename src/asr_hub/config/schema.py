"""The configuration: every setting, its default, its unit and its meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

SELF_SIGNED = "self-signed"
"""In place of a certificate's file: one that is made at the start."""

MAX_HOTWORDS = 500
MAX_HOTWORD_CHARS = 100
MIN_HOTWORD_WEIGHT = 0.1
MAX_HOTWORD_WEIGHT = 10.0
MAX_TENANTS = 1000
"""Keys with hotwords of their own."""
MAX_TENANT_CHARS = 64


class Section(BaseModel):
    """A part of the configuration. A key that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class Tls(Section):
    """With this section the port speaks https and wss."""

    certificate: str = SELF_SIGNED
    """
    A PEM file with the certificate and those between it and its root. `self-signed` makes one at each start, for trying
    things out: `asr-hub certificate` makes one that stays.
    """
    key: str | None = None
    """A PEM file with the private key, without a password. By default it is in the file of the certificate."""

    @model_validator(mode="after")
    def _key_has_its_certificate(self) -> Tls:
        if self.certificate == SELF_SIGNED and self.key is not None:
            raise ValueError("`key` belongs to a `certificate` from a file; name that file too")
        return self


class Server(Section):
    """The one port."""

    host: str = "127.0.0.1"
    """Loopback by default. Before you bind it elsewhere, see [access](../how-to/control-access.md)."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8765
    """0 takes a free one."""
    grpc_port: Annotated[int | None, Field(ge=0, le=65535)] = None
    """
    Where gRPC is served, besides; 0 takes a free one. It needs `pip install 'asr-hub[grpc]'`. By default it is not
    served.
    """
    origins: tuple[str, ...] | None = None
    """
    Origins of web pages that may use the hub, such as `https://example.org`; `*` is any. By default those of this
    machine, localhost and 127.0.0.1, and the hub's own page: at an address such as `http://192.168.1.5:8765`, and
    under any name where [keys](../how-to/control-access.md) are asked for.
    """
    tls: Tls | None = None
    max_frame_bytes: Annotated[int, Field(ge=1024, le=64 * 2**20)] = 1 << 20
    """The largest audio frame taken."""
    drain_s: Annotated[float, Field(ge=0)] = 15.0
    """Seconds that running sessions get to finish their utterances after SIGTERM."""

    @field_validator("origins")
    @classmethod
    def _origins_are_origins(cls, origins: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for origin in origins or ():
            scheme, _, host = origin.partition("://")
            if origin != "*" and (not scheme or not host or set(host) & set("/?#@ ") or origin != origin.lower()):
                raise ValueError(
                    f"{origin!r} is no origin: write it as browsers do, https://example.org, without a path"
                )
        return origins


class Limits(Section):
    """How much one key may use. Nothing is no limit."""

    sessions: Annotated[int | None, Field(ge=1)] = None
    """At the same time."""
    audio_s_per_hour: Annotated[float | None, Field(gt=0)] = None
    """Seconds of audio. All of an hour may come at once; what is used comes back evenly."""
    requests_per_minute: Annotated[float | None, Field(gt=0)] = None
    """HTTP requests, connections and calls of all protocols together."""


ScopeName = Literal["speak", "watch", "admin"]


class Key(Limits):
    """One API key, as `asr-hub keys new` prints it. What stands here opens nothing."""

    id: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    """The part of the key that is no secret, in quotes."""
    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """The SHA-256 of the whole key, in quotes."""
    scopes: Annotated[tuple[ScopeName, ...], Field(min_length=1)] = ("speak", "watch")
    """
    `speak`: open sessions and send audio. `watch`: see what is heard in a session whose id one has. `admin`: see and
    end the sessions of others, change hotwords, read the configuration again.
    """
    expires_at: AwareDatetime | None = None
    """Such as `2027-01-31T00:00:00Z`."""


class Jwt(Limits):
    """Tokens that another service signs are taken as well. The limits hold for each `sub`."""

    algorithm: Literal["HS256", "RS256", "ES256"]
    """The one that is taken, whatever a token says."""
    secret: str | None = None
    """For HS256, 32 bytes or more: `${ASR_HUB_JWT_SECRET}`."""
    public_key: str | None = None
    """For RS256 and ES256: a PEM file."""
    audience: str | None = None
    """What `aud` must be. Without it `aud` is not looked at."""
    issuer: str | None = None
    """What `iss` must be. Without it `iss` is not looked at."""
    leeway_s: Annotated[float, Field(ge=0, le=300)] = 10.0
    """How far the clocks of the issuer and of this machine may differ, in seconds."""

    @model_validator(mode="after")
    def _has_its_key(self) -> Jwt:
        if self.algorithm == "HS256" and (self.secret is None or self.public_key is not None):
            raise ValueError("HS256 needs `secret`, and no `public_key`")
        if self.algorithm != "HS256" and (self.public_key is None or self.secret is not None):
            raise ValueError(f"{self.algorithm} needs `public_key`, and no `secret`")
        return self


class Tokens(Section):
    """The tokens that the hub makes at `/v1/tokens`."""

    secret: str | None = None
    """32 bytes or more, the same for hubs that are to take each other's tokens. By default a new one at each start."""
    max_ttl_s: Annotated[float, Field(ge=1, le=86400)] = 3600.0
    """The longest life of a token, in seconds."""


class Access(Section):
    """Who may use the hub, and how much."""

    required: Literal["auto", "on", "off"] = "auto"
    """Whether a key is asked for. `auto`: as soon as there are keys or `jwt`."""
    keys: dict[str, Key] = {}
    jwt: Jwt | None = None
    tokens: Tokens = Tokens()

    @property
    def is_on(self) -> bool:
        """Whether callers must bring a key or a token."""
        return self.required == "on" or (self.required == "auto" and bool(self.keys or self.jwt))

    @model_validator(mode="after")
    def _somebody_can_come_in(self) -> Access:
        if self.required == "on" and not self.keys and self.jwt is None:
            raise ValueError("`required: on` lets nobody in without `keys` or `jwt`; make a key: asr-hub keys new NAME")
        return self

    @model_validator(mode="after")
    def _keys_differ(self) -> Access:
        names: dict[str, str] = {}
        for name, key in self.keys.items():
            if (other := names.setdefault(key.id, name)) != name:
                raise ValueError(f"`{other}` and `{name}` are the same key; make one for each: asr-hub keys new NAME")
            if not 0 < len(name) <= 64 or ":" in name or not name.isprintable():
                raise ValueError("the name of a key has 1 to 64 printable characters, and no colon; rename it")
        return self


class Sessions(Section):
    """Who may come, and how long a session lives."""

    max_sessions: Annotated[int, Field(ge=1)] = 200
    """One more is refused with `overloaded`."""
    max_viewers: Annotated[int, Field(ge=0)] = 1000
    """Viewers of one session."""
    resume_window_s: Annotated[float, Field(ge=0)] = 60.0
    """Seconds a session outlives its last publisher."""
    idle_timeout_s: Annotated[float, Field(gt=0)] = 300.0
    """Seconds without audio or command after which an attached session is closed."""
    audio_buffer_s: Annotated[float, Field(ge=0.2, le=60)] = 4.0
    """Seconds of audio that may wait for the engine before the hub stops reading from the client."""
    history_messages: Annotated[int, Field(ge=64)] = 4096
    """Messages kept per session for resume and late viewers."""
    history_bytes: Annotated[int, Field(ge=65536)] = 2 * 2**20
    """The same, by their size: whichever limit comes first."""


class Endpointing(Section):
    """When an utterance begins and ends. All in seconds of audio."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Speech probability at which speech begins."""
    release: Annotated[float, Field(gt=0, lt=1)] = 0.35
    """Speech probability below which speech may end."""
    min_speech_s: Annotated[float, Field(ge=0, le=2)] = 0.2
    """Shorter bursts are no speech."""
    min_silence_s: Annotated[float, Field(ge=0.1, le=10)] = 0.6
    """Silence that ends an utterance."""
    pre_roll_s: Annotated[float, Field(ge=0, le=2)] = 0.5
    """Audio kept from before the speech start."""
    max_utterance_s: Annotated[float, Field(ge=2, le=300)] = 30.0
    """Longer speech is cut here at the latest."""

    @model_validator(mode="after")
    def _fits_together(self) -> Endpointing:
        if self.release > self.threshold:
            raise ValueError(f"`release` ({self.release}) must not be above `threshold` ({self.threshold}); lower it")
        shortest = self.pre_roll_s + 2 * self.min_speech_s + 1
        if self.max_utterance_s < shortest:
            raise ValueError(f"`max_utterance_s` must be at least {shortest:g} with this pre-roll; raise it")
        return self


class Audio(Section):
    """The audio plane."""

    vad: Literal["silero", "fsmn", "light", "off"] = "silero"
    """
    `fsmn`: FunASR's, with `vad_model`. `light` needs no model and little CPU, and takes noise for speech more often;
    `off`: one endless utterance.
    """
    vad_model: str | None = None
    """For `fsmn`: the folder of its model, or its name in the models folder."""
    gate: bool = True
    """A cheap energy gate before the VAD's model."""
    endpointing: Endpointing = Endpointing()
    tick_ms: Annotated[int, Field(ge=10, le=200)] = 40
    """The shared beat at which all sessions' new audio is processed."""


class WakeWord(Section):
    """With this section every session waits for a phrase before it listens."""

    provider: str
    """A provider that can spot phrases."""
    phrases: Annotated[tuple[str, ...], Field(min_length=1)]
    """Any of them opens the session."""
    timeout_s: Annotated[float, Field(gt=0)] = 8.0
    """Seconds of audio without speech after which the session waits for the phrase again."""


class Provider(Section):
    """One engine."""

    kind: str
    """
    Which adapter: `faster-whisper`, `funasr`, `sherpa-onnx`, `vosk`, `transformers`, `pocketsphinx`, `openai`,
    `openai-realtime`, `google`, `openwakeword`, `scripted`, one that a package brings, or a class of yours, as
    `module:Class`.
    """
    settings: dict[str, Any] = {}
    """The adapter's own settings: see [providers](providers.md)."""
    cost: Annotated[float, Field(ge=0)] = 0.0
    """Of an hour of audio, in any unit; for routes that go by it."""
    fallback: str | None = None
    """The provider that is given an utterance which this one cannot hear: it failed twice, or has no memory for it."""


_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def _languages(tags: tuple[str, ...]) -> tuple[str, ...]:
    for tag in tags:
        if _LANGUAGE.fullmatch(tag) is None:
            raise ValueError(f"{tag!r} is no language tag; write it as en or zh-TW")
    return tags


class Failover(Section):
    """When an engine is given up for an utterance, and another one hears it from its first sample."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """How often an engine that fails is given one utterance."""
    backoff_s: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Seconds before it is given it again; twice as long each time, at most one second."""
    stall_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Seconds for which an engine may take no audio, where nobody else can hear the utterance."""
    stall_with_heir_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """The same, where somebody else can. Too short a time takes a slow engine for a dead one."""

    @model_validator(mode="after")
    def _fits_together(self) -> Failover:
        if self.stall_with_heir_s > self.stall_s:
            raise ValueError(f"`stall_with_heir_s` must not be above `stall_s` ({self.stall_s:g}); lower it")
        return self


class Breaker(Section):
    """An engine that keeps failing is spared, and those who speak are spared it."""

    failures: Annotated[int, Field(ge=1, le=16)] = 5
    """So many failed tries in a row, within `window_s`, open the breaker: others hear, where there are others."""
    window_s: Annotated[float, Field(gt=0)] = 60.0
    """Seconds"""
    open_s: Annotated[float, Field(gt=0)] = 10.0
    """Seconds until a clip with a known answer is tried. Where it is not heard, the next pause is twice as long."""
    max_open_s: Annotated[float, Field(gt=0)] = 300.0
    """Seconds: a pause is no longer."""

    @model_validator(mode="after")
    def _fits_together(self) -> Breaker:
        if self.max_open_s < self.open_s:
            raise ValueError(f"`max_open_s` must not be below `open_s` ({self.open_s:g}); raise it")
        return self


class AccuratePass(Section):
    """The whole utterance is heard once more."""

    providers: Annotated[tuple[str, ...], Field(min_length=1, max_length=8)]
    """
    One: its reading is told. More: they and the first pass vote on each word, and whoever is named first counts most
    where the votes are equal.
    """
    budget_s: Annotated[float, Field(gt=0, le=600)] = 15.0
    """Seconds; what comes later is not told."""


class CorrectedPass(Section):
    """A language model behind an endpoint that speaks OpenAI's protocol mends what was heard."""

    base_url: str
    """Such as `http://127.0.0.1:11434/v1`."""
    model: str
    """As the endpoint calls it."""
    api_key_env: str | None = None
    """The name of the environment variable that holds the key."""
    budget_s: Annotated[float, Field(gt=0, le=120)] = 3.0
    """Seconds; what comes later is not told."""
    max_edit_share: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Of the words, at most so many may change; an answer that changes more is refused."""


class Passes(Section):
    """Later looks at an utterance. Each tells a revision; the final before it stands whatever comes."""

    accurate: AccuratePass | None = None
    corrected: CorrectedPass | None = None


class Route(Section):
    """Who hears the utterances of sessions that name no provider. The first route that fits, and can hear, is taken."""

    providers: Annotated[tuple[str, ...], Field(min_length=1)]
    """Who may hear it."""
    languages: Annotated[tuple[str, ...], AfterValidator(_languages)] = ()
    """BCP 47; the region does not matter. By default any."""
    max_sample_rate: Annotated[int | None, Field(ge=1000)] = None
    """Hertz: 8000 is the telephone."""
    min_waiting: Annotated[int, Field(ge=0)] = 0
    """So many utterances wait for a slot of the default provider."""
    min_waiting_s: Annotated[float, Field(ge=0)] = 0.0
    """The first of them waits for so many seconds."""
    prefer: Literal["order", "load", "cost"] = "order"
    """Among `providers`: the first that can hear, the one with the most free slots, or the one of the least `cost`."""


class LanguageId(Section):
    """Which language is spoken in sessions that name none; `routes` may go by it."""

    allowed: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_languages)]
    """BCP 47. What is heard in another language changes nothing."""
    after: Annotated[int, Field(ge=1, le=20)] = 2
    """So many utterances in a row in another language change the session's."""


class Hedging(Section):
    """A second engine is asked for a final that is later than 95 of 100 of the first's; the first answer is told."""

    provider: str
    """Who is asked."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Of the finals, at most so many are asked for twice."""
    min_ms: Annotated[int, Field(ge=0)] = 200
    """A final is not late before, whatever the engine's own times say."""


class Shadow(Section):
    """An engine on trial: it hears what clients say, after the engine that answers them, and is compared with it."""

    provider: str
    """The one on trial."""
    every: Annotated[int, Field(ge=1)] = 1
    """It hears one of so many utterances of a session."""


class Speakers(Section):
    """Finals say who speaks: `1` is who spoke first in the session."""

    model: str
    """A sherpa-onnx model of speaker embeddings: its file, its folder, or its name in the models folder."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Cosine similarity at which two utterances are of one speaker."""


class Recognition(Section):
    """What is done with an utterance beside giving it to its engine."""

    failover: Failover = Failover()
    breaker: Breaker = Breaker()
    passes: Passes = Passes()
    routes: tuple[Route, ...] = ()
    """Who hears sessions that name no provider."""
    language_id: LanguageId | None = None
    hedging: Hedging | None = None
    shadow: Shadow | None = None
    speakers: Speakers | None = None
    refuse_garbage: bool = True
    """
    Take for a failure of its engine what no speaker says: control characters, hundreds of letters in a second, times
    that go backwards.
    """
    suppress_phantoms: bool = True
    """Keep back text where nobody spoke. Each time is a fact with its reason, and can be undone."""
    match_hotwords: bool = True
    """Put hotwords where words sound like them, for engines that know none. Each time is a fact, and can be undone."""
    polish: bool = False
    """Capitals and a full stop, for engines that write neither."""


class S3(Section):
    """
    An S3-compatible store. It needs `pip install 'asr-hub[s3]'`; its keys come from `AWS_ACCESS_KEY_ID` and
    `AWS_SECRET_ACCESS_KEY`.
    """

    bucket: str
    """It must exist."""
    endpoint: str | None = None
    """Such as `https://minio.example.org`. By default that of AWS."""
    region: str = "us-east-1"
    """Of the bucket"""
    prefix: str = "asr-hub"
    """Before the name of each file."""


class Retention(Section):
    """How long jobs that are over are kept, with their audio and their results: until the first of these is reached."""

    days: Annotated[float, Field(gt=0)] = 30.0
    """Since their end"""
    jobs: Annotated[int, Field(ge=1)] = 10_000
    """How many; the oldest go."""
    bytes: Annotated[int, Field(ge=1 << 20)] = 50 * 2**30
    """Of audio"""


class Webhooks(Section):
    """Where the ends of jobs are told, on a client's wish."""

    secret_env: str = "ASR_HUB_WEBHOOK_SECRET"
    """
    The variable of the environment with the secret that signs them, `whsec_` and base64, as the Standard Webhooks
    specification has it. Without it none are sent, and a job that wants one is refused.
    """
    allow_private: bool = False
    """
    Send them to addresses of this machine and of private networks too. Whoever may submit a job may then reach those.
    """
    attempts: Annotated[int, Field(ge=1, le=20)] = 8
    """With growing pauses, about a day in all."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Of one attempt"""


class Jobs(Section):
    """Transcription of files, under `/api/v1`. It needs `pip install 'asr-hub[jobs]'`."""

    enabled: Literal["auto", "on", "off"] = "auto"
    """`auto`: where its packages are installed. They are loaded with the first job."""
    folder: str | None = None
    """
    For the database, the audio, and what is decoded of the files that are worked at. By default
    `~/.local/share/asr-hub/jobs`, or `asr-hub/jobs` in `$XDG_DATA_HOME`.
    """
    database: str | None = None
    """
    A PostgreSQL database that several hubs share, `postgresql://user:password@host/name`. By default SQLite in the
    folder.
    """
    s3: S3 | None = None
    """Where the audio is kept. By default in the folder; several hubs on several machines need one place for it."""
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 2
    """Jobs that this hub works at, at the same time, for each provider."""
    segments_at_once: Annotated[int | None, Field(ge=1, le=256)] = None
    """
    Segments that are heard at the same time, of all jobs with one provider. By default half of the provider's slots:
    the others are for live sessions.
    """
    longest_segment_s: Annotated[float, Field(ge=5, le=120)] = 20.0
    """Who speaks for longer is cut there, with an overlap."""
    timeout_s: Annotated[float, Field(gt=0)] = 6 * 3600.0
    """Of one job, from its beginning."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """For each segment, before the job fails."""
    max_file_bytes: Annotated[int, Field(ge=1024)] = 2 * 2**30
    """The largest file taken."""
    max_audio_s: Annotated[float, Field(gt=0)] = 12 * 3600.0
    """Seconds of audio in one file."""
    max_queued: Annotated[int, Field(ge=1)] = 10_000
    """Jobs that may wait. One more is refused."""
    dead_after_s: Annotated[float, Field(ge=1)] = 15.0
    """Seconds without a sign of life after which the jobs of another hub are taken over."""
    retention: Retention = Retention()
    webhooks: Webhooks = Webhooks()


class Dialect(Section):
    """How clients of another server are served."""

    enabled: bool = True
    """Off, its clients find nothing here."""
    partials: Literal["final_only", "stable", "native"] = "stable"
    """
    What a client is told before a final, where it appends what it is told and can be told nothing else afterwards:
    nothing; the words that the engine will not change any more; or everything, which reads wrong whenever the engine
    changes its mind. Clients that replace what they were told are told every partial, whatever stands here.
    """


class DialectOnPath(Dialect):
    """On the hub's port."""

    prefix: Annotated[str, Field(pattern="^(/[A-Za-z0-9._~-]+)*$", max_length=100)] = ""
    """Before the paths of the dialect: with `/openai` clients are given the address `http://…/openai/v1`."""


class DialectOnPort(Dialect):
    """On a port of its own, by default none."""

    port: Annotated[int | None, Field(ge=0, le=65535)] = None
    """0 takes a free one. By default it is not served."""
    host: str = "127.0.0.1"
    """Loopback by default: some of these clients bring no key."""
    tls: Tls | None = None
    """With this section the port is encrypted."""
    key: str | None = None
    """
    A name of `access.keys`. Who comes without a key, as some of these clients must, is let in as the owner of that one.
    By default nobody is, where keys are asked for.
    """


class FunAsrDialect(DialectOnPort):
    """Clients of FunASR's runtime WebSocket, which has port 10095 there."""

    partials: Literal["final_only", "stable", "native"] = "final_only"
    """
    As for the other dialects. Clients in the mode `online` never see a whole final, so that what they were told wrong
    stays wrong: by default they are told finals alone. In the mode `2pass` a final takes the place of what was told
    before, and `final_only` is taken for `stable`.
    """


class Dialects(Section):
    """Clients of other servers, unchanged: they are only given another address."""

    openai: DialectOnPath = DialectOnPath()
    """`/v1/audio/transcriptions`, `/v1/audio/translations`, `/v1/models` and `/v1/realtime`."""
    deepgram: DialectOnPath = DialectOnPath()
    """`/v1/listen`, live and with whole files."""
    funasr: FunAsrDialect = FunAsrDialect()
    vosk: DialectOnPort = DialectOnPort()
    """Clients of vosk-server's WebSocket, which has port 2700 there."""
    wyoming: DialectOnPort = DialectOnPort()
    """Home Assistant's protocol, over TCP."""
    riva: DialectOnPort = DialectOnPort()
    """NVIDIA Riva's gRPC. It needs `pip install 'asr-hub[grpc]'`."""
    google: DialectOnPort = DialectOnPort()
    """Google Speech-to-Text's gRPC, v1 and v2. It needs `pip install 'asr-hub[grpc]'`."""
    models: dict[str, str] = {}
    """
    What clients call models: `whisper-1: accurate` gives a client that asks for `whisper-1` the provider `accurate`.
    `"*"` stands for every name that has no line and is no provider; by default it is the hub's default provider.
    """
    strict_models: bool = False
    """Refuse such names instead."""

    @property
    def on_ports(self) -> dict[str, DialectOnPort]:
        """Those with a port of their own, by name."""
        return {
            "funasr": self.funasr,
            "vosk": self.vosk,
            "wyoming": self.wyoming,
            "riva": self.riva,
            "google": self.google,
        }


class Journal(Section):
    """What is kept of what happened."""

    size: Annotated[int, Field(ge=100)] = 10_000
    """Actions kept in memory, for all sessions together."""
    path: str | None = None
    """A file to append every action to, one JSON line each. Holds transcripts: mind who can read it."""


class KeptRecordings(Section):
    """How long recordings stay. The oldest go first; those that are being made stay."""

    days: Annotated[float, Field(gt=0)] = 30.0
    """Since they were begun."""
    recordings: Annotated[int, Field(ge=1)] = 1000
    """So many, the newest."""
    bytes: Annotated[int, Field(ge=1 << 20)] = 20 * 2**30
    """Of all of them together."""


class Recorder(Section):
    """
    Recordings of sessions: what happened in each, and what was heard.

    See [recordings](../how-to/record-a-session.md).
    """

    mode: Literal["off", "ask", "on"] = "off"
    """
    `off`: nothing is recorded; `ask`: sessions for which `PUT /v1/sessions/NAME/recording` asks; `on`: every session.
    A recording holds what people said: ask them before you record.
    """
    folder: str | None = None
    """Where they lie; `asr-hub/recordings` in the XDG data directory by default."""
    audio: bool = True
    """With what was heard."""
    redact: str | None = None
    """
    A Python function, `package.module:function`, that is given each text and returns what is written in its place. It
    hears no audio: set `audio: false` where that must not be kept either.
    """
    max_s: Annotated[float, Field(gt=0, le=86400)] = 4 * 3600.0
    """Seconds of one recording; then it ends, and the session goes on."""
    max_bytes: Annotated[int, Field(ge=1 << 20, le=2**31 - 1)] = 1 << 30
    """Of one recording, made here or uploaded."""
    keep: KeptRecordings = KeptRecordings()


class Logging(Section):
    """What the hub writes to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Of the hub. Other packages say warnings and errors only."""
    format: Literal["text", "json"] = "text"
    """For people, or one JSON object per line for machines."""
    transcripts: bool = False
    """Write what was said into the logs. Speech is personal data."""
    folder: str | None = None
    """
    Write files too: `access.log` (one line for each HTTP request), `worker.log` (jobs) and `error.log` (warnings and
    errors), each as JSON Lines.
    """
    max_bytes: Annotated[int, Field(ge=1024)] = 10 * 2**20
    """Of one file, before the next is begun."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 5
    """Older files that stay, of each."""


class Hotword(BaseModel):
    """A word or phrase to prefer. A text alone has the weight 1."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    text: str
    weight: Annotated[float, Field(ge=MIN_HOTWORD_WEIGHT, le=MAX_HOTWORD_WEIGHT)] = 1.0
    """How many times as much as others, where the engine can."""

    @model_validator(mode="before")
    @classmethod
    def _may_be_a_text_alone(cls, given: object) -> object:
        if isinstance(given, str):
            return {"text": given}
        if isinstance(given, Hotword):
            return given
        if not isinstance(given, dict) or not isinstance(given.get("text"), str) or given.keys() - {"text", "weight"}:
            raise ValueError("is a text, in quotes where it looks like a number, or `{text: Zermatt, weight: 2}`")
        return given

    @field_validator("text")
    @classmethod
    def _text_is_a_word(cls, text: str) -> str:
        if not text.strip() or len(text) > MAX_HOTWORD_CHARS or not text.isprintable():
            raise ValueError(f"must have 1 to {MAX_HOTWORD_CHARS} printable characters")
        return text


class Config(Section):
    """A hub."""

    provider: str = "auto"
    """The default provider: a name from `providers`, or `auto`: the best engine that is installed and has weights."""
    policy: Literal["any", "local"] = "any"
    """`local` refuses every provider that would open a connection outside this machine."""
    providers: dict[str, Provider] = {}
    hotwords: tuple[Hotword, ...] = ()
    """
    Words to prefer in every session, beside its own: at most 500, of 1 to 100 characters. Each is a text, or
    `{text: Zermatt, weight: 2}` with a weight from 0.1 to 10. `PUT /v1/hotwords` replaces them while the hub runs. See
    [hotwords](../how-to/hotwords.md).
    """
    hotwords_file: str | None = None
    """
    A file with more of them, read at the start and at each reload: one on each line, or, where it ends in `.yaml` or
    `.json`, a list as `hotwords` is.
    """
    hotwords_of: dict[str, tuple[Hotword, ...]] = {}
    """Words to prefer in the sessions of one key, beside those of every session: `NAME: [Zermatt, Visp]`."""
    server: Server = Server()
    access: Access = Access()
    sessions: Sessions = Sessions()
    audio: Audio = Audio()
    recognition: Recognition = Recognition()
    wake_word: WakeWord | None = None
    jobs: Jobs = Jobs()
    dialects: Dialects = Dialects()
    journal: Journal = Journal()
    recorder: Recorder = Recorder()
    logging: Logging = Logging()

    @model_validator(mode="after")
    def _vad_has_its_model(self) -> Config:
        if (self.audio.vad == "fsmn") != (self.audio.vad_model is not None):
            raise PydanticCustomError(
                "vad_model",
                "belongs to `vad: fsmn`, and `vad: fsmn` needs it: a folder, or a name of `asr-hub models list`",
                {"key": "audio.vad_model"},
            )
        return self

    @field_validator("hotwords")
    @classmethod
    def _hotwords_are_words(cls, hotwords: tuple[Hotword, ...]) -> tuple[Hotword, ...]:
        return _once(hotwords)

    @field_validator("hotwords_of")
    @classmethod
    def _tenants_are_keys(cls, lists: dict[str, tuple[Hotword, ...]]) -> dict[str, tuple[Hotword, ...]]:
        if len(lists) > MAX_TENANTS:
            raise ValueError(f"has {len(lists)} lists, and at most {MAX_TENANTS} are taken")
        for name in lists:
            if not 0 < len(name) <= MAX_TENANT_CHARS or not name.isprintable():
                raise ValueError(f"the name of a key has 1 to {MAX_TENANT_CHARS} printable characters; one has not")
        return {name: _once(words) for name, words in lists.items()}

    @model_validator(mode="after")
    def _names_exist(self) -> Config:
        wake_word = self.wake_word.provider if self.wake_word else None
        named = (("provider", self.provider), ("wake_word.provider", wake_word), *_named(self.recognition))
        for key, name in named:
            if name not in (None, "auto") and name not in self.providers:
                there = ", ".join(self.providers) or "none"
                raise PydanticCustomError(
                    "unknown_provider",
                    "is '{name}', but `providers` has no such entry; there are: {there}",
                    {"key": key, "name": name, "there": there},
                )
        return self

    @model_validator(mode="after")
    def _dialects_name_what_there_is(self) -> Config:
        for alias, name in self.dialects.models.items():
            if name not in self.providers:
                there = ", ".join(self.providers) or "none"
                raise PydanticCustomError(
                    "unknown_provider",
                    "is '{name}', but `providers` has no such entry; there are: {there}",
                    {"key": f"dialects.models.{alias}", "name": name, "there": there},
                )
        for dialect, it in self.dialects.on_ports.items():
            if it.key is not None and it.key not in self.access.keys:
                there = ", ".join(self.access.keys) or "none"
                raise PydanticCustomError(
                    "unknown_key",
                    "is '{name}', but `access.keys` has no such entry; there are: {there}",
                    {"key": f"dialects.{dialect}.key", "name": it.key, "there": there},
                )
        return self

    @model_validator(mode="after")
    def _fallbacks_exist(self) -> Config:
        for name, entry in self.providers.items():
            if entry.fallback is not None and (entry.fallback not in self.providers or entry.fallback == name):
                others = ", ".join(other for other in self.providers if other != name) or "none"
                raise PydanticCustomError(
                    "unknown_provider",
                    "is '{name}', but `providers` has no other such entry; there are: {there}",
                    {"key": f"providers.{name}.fallback", "name": entry.fallback, "there": others},
                )
        return self


def _named(it: Recognition) -> Iterator[tuple[str, str]]:
    """Every provider that is named in a section, with its key."""
    if it.passes.accurate is not None:
        for name in it.passes.accurate.providers:
            yield "recognition.passes.accurate.providers", name
    for number, route in enumerate(it.routes):
        for name in route.providers:
            yield f"recognition.routes.{number}.providers", name
    if it.hedging is not None:
        yield "recognition.hedging.provider", it.hedging.provider
    if it.shadow is not None:
        yield "recognition.shadow.provider", it.shadow.provider


def _once(hotwords: tuple[Hotword, ...]) -> tuple[Hotword, ...]:
    """Of two with the same text the first. Raises ValueError where they are too many."""
    if len(hotwords) > MAX_HOTWORDS:
        raise ValueError(f"are {len(hotwords)}, and at most {MAX_HOTWORDS} are taken; keep the rarest words")
    words: dict[str, Hotword] = {}
    for word in hotwords:
        words.setdefault(word.text, word)
    return tuple(words.values())
