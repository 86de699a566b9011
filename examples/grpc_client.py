"""Stream a 16-bit WAV file to a hub over gRPC and print what it hears: `python examples/grpc_client.py speech.wav`."""

import sys
import wave
from collections.abc import Iterator

import grpc

from asr_hub.v1 import asr_hub_pb2 as pb
from asr_hub.v1 import asr_hub_pb2_grpc as stubs

ADDRESS = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:50051"


def requests(speech: wave.Wave_read) -> Iterator[pb.StreamRequest]:
    audio = pb.AudioFormat(sample_rate=speech.getframerate(), channels=speech.getnchannels())
    yield pb.StreamRequest(start=pb.Start(format=audio, partials=False))
    while block := speech.readframes(4000):
        yield pb.StreamRequest(audio=block)
    yield pb.StreamRequest(close=pb.Close())


with wave.open(sys.argv[1]) as speech, grpc.insecure_channel(ADDRESS) as channel:
    try:
        for response in stubs.AsrHubServiceStub(channel).Stream(requests(speech)):
            if response.message.HasField("final"):
                print(response.message.final.hypothesis.text)
    except grpc.RpcError as error:
        raise SystemExit(error.details()) from None
