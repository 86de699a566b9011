"""What is said in a file: `python transcribe.py speech.wav [URL]`."""

import sys

from asr_hub_client import Client

URL = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8765"

with Client(URL) as hub:
    print(hub.transcribe_file(sys.argv[1]).text)
