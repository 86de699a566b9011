"""The tokenizer of the tiny Whisper: one token for each word, bytes for the rest, and Whisper's own tokens."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tools.train_tiny.augment import LONGEST_S
from tools.train_tiny.grammar import words

END, START, PREVIOUS = "<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>"
NO_SPEECH, NO_TIMESTAMPS = "<|nospeech|>", "<|notimestamps|>"

_TIMESTAMP_S = 0.02
_GRID = 5
"""Training knows where speech begins to a tenth of a second or so: only each fifth timestamp is taught."""


class WhisperVocabulary:
    """Texts and times as token ids."""

    def __init__(self) -> None:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=2000, initial_alphabet=alphabet, show_progress=False, min_frequency=1)
        tokenizer.train_from_iterator([f" {word}" for word in words()], trainer)
        self.texts: int = tokenizer.get_vocab_size()
        """How many tokens are text; they come first."""
        # CTranslate2 counts from the place of one to the place of another: this order is Whisper's.
        tokenizer.add_special_tokens([END, START, "<|translate|>", "<|transcribe|>", "<|startoflm|>", PREVIOUS])
        tokenizer.add_special_tokens([NO_SPEECH, NO_TIMESTAMPS])
        steps = round(LONGEST_S / _TIMESTAMP_S)
        tokenizer.add_special_tokens([f"<|{at * _TIMESTAMP_S:.2f}|>" for at in range(steps + 1)])
        self.tokenizer = tokenizer
        self.size: int = tokenizer.get_vocab_size()
        self.end, self.start, self.previous = (self.id(token) for token in (END, START, PREVIOUS))
        self.no_speech, self.no_timestamps = self.id(NO_SPEECH), self.id(NO_TIMESTAMPS)

    def id(self, token: str) -> int:
        """The id of a token. Raises ValueError for a token that is not there."""
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the vocabulary has no {token}")
        return found

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, which Whisper begins with a space."""
        ids: list[int] = self.tokenizer.encode(f" {text}").ids
        return ids

    def timestamp(self, seconds: float) -> int:
        """The token of a time, on the grid that is taught."""
        last = self.size - 1 - (self.no_timestamps + 1)
        return self.no_timestamps + 1 + min(last, round(seconds / _TIMESTAMP_S / _GRID) * _GRID)
