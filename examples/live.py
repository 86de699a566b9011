"""Stream a 16-bit WAV file to a hub and print what it hears: `python examples/live.py speech.wav`."""

import json
import sys
import wave

from websockets.sync.client import connect

URL = sys.argv[2] if len(sys.argv) > 2 else "ws://127.0.0.1:8765/v1/stream"

with wave.open(sys.argv[1]) as speech, connect(URL, ping_interval=None) as hub:
    audio = {"sample_rate": speech.getframerate(), "channels": speech.getnchannels()}
    hub.send(json.dumps({"type": "start", "format": audio, "partials": False}))
    while block := speech.readframes(4000):
        hub.send(block)
    hub.send('{"type": "close"}')
    for message in map(json.loads, hub):
        if message["type"] == "final":
            print(message["hypothesis"]["text"])
        elif message["type"] == "error":
            raise SystemExit(message["message"])
