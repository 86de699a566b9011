"""A live transcript on a terminal: a partial grows in its line until the final takes its place."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from asr_hub.model import Hypothesis
from asr_hub.wire.messages import AnyServerMessage, Error, Final, Partial, Ready, Revision, WakeWord, Warning


class Screen:
    """On a terminal the line of the partial is rewritten; elsewhere each change gets a line of its own."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.finals: list[Final] = []
        self.partials = 0

    def show(self, message: AnyServerMessage) -> None:
        match message:
            case Ready():
                self._print(Text(f"listening with {message.provider}", style="dim"))
            case Partial():
                self.partials += 1
                self._grow(message.hypothesis)
            case Final():
                self.finals.append(message)
                if message.hypothesis.text:
                    took = f"   {message.latency_ms} ms after the endpoint" if message.latency_ms is not None else ""
                    line = Text.assemble(
                        (_span(message.hypothesis), "cyan"), (message.hypothesis.text, "bold"), (took, "dim")
                    )
                    self._print(line)
                else:
                    self._erase()
            case Revision():
                self._print(Text.assemble((_span(message.hypothesis), "cyan"), (message.hypothesis.text, "bold green")))
            case WakeWord():
                self._print(Text(f"heard “{message.phrase}”: listening", style="green"))
            case Warning() | Error():
                self._print(Text(f"{message.code}: {message.message}", style="yellow"))
            case _:
                pass

    def _grow(self, hypothesis: Hypothesis) -> None:
        line = Text.assemble((_span(hypothesis), "dim cyan"), (hypothesis.text, "dim"))
        if not self.console.is_terminal:
            self.console.print(line, soft_wrap=True)
            return
        self._erase()
        # One line only: what does not fit is cut at the front, where the words no longer change.
        line.truncate(max(10, self.console.width - 1), overflow="ellipsis")
        self.console.print(line, end="", soft_wrap=True)

    def _print(self, line: Text) -> None:
        self._erase()
        self.console.print(line, soft_wrap=True)

    def _erase(self) -> None:
        if self.console.is_terminal:
            self.console.file.write("\r\x1b[2K")


def _span(hypothesis: Hypothesis) -> str:
    return f"{hypothesis.start / 1000:6.2f} - {hypothesis.end / 1000:5.2f} s  "
