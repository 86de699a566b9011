"""
Go on in a new session when one is lost: `python survive.py speech.wav [URL]`.

A connection that breaks is made again without a word. This is for the rest: the hub was restarted, or was away for
longer than its resume window.
"""

import sys
import time

from asr_hub_client import Client, SessionLost, Unreachable
from asr_hub_client.files import read_audio

URL = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8765"

format, blocks = read_audio(sys.argv[1])
unheard = b""
is_heard = False
with Client(URL) as hub:
    while not is_heard:
        session = hub.session(format=format, partials=False)
        try:
            with session:
                session.send(unheard)
                for block in blocks:
                    session.send(block)
            is_heard = True
        except SessionLost as lost:
            unheard = lost.audio
            print(f"lost: {lost}", file=sys.stderr)
        except Unreachable:
            time.sleep(1)
            continue
        print(session.text)
