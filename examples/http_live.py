"""Stream a 16-bit WAV file to a hub over plain HTTP, print what it hears: `python examples/http_live.py speech.wav`."""

import json
import sys
import threading
import wave

import httpx

URL = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8765"

with wave.open(sys.argv[1]) as speech, httpx.Client(base_url=URL, timeout=60) as hub:
    audio = {"sample_rate": speech.getframerate(), "channels": speech.getnchannels()}
    opened = hub.post("/v1/sessions", json={"format": audio, "partials": False}).raise_for_status()
    session = opened.headers["Location"]

    def speak() -> None:
        offset = 0
        while block := speech.readframes(4000):
            # A request that failed may be sent again: what the hub has already is not heard twice.
            answer = hub.post(f"{session}/audio", params={"offset": offset}, content=block).raise_for_status()
            offset = answer.json()["audio_offset"]
        hub.delete(session).raise_for_status()

    speaker = threading.Thread(target=speak)
    speaker.start()
    with hub.stream("GET", f"{session}/events") as events:
        for line in events.raise_for_status().iter_lines():
            if line.startswith("data: "):
                message = json.loads(line.removeprefix("data: "))
                if message["type"] == "final":
                    print(message["hypothesis"]["text"])
                elif message["type"] == "error":
                    print(message["message"], file=sys.stderr)
    speaker.join()
