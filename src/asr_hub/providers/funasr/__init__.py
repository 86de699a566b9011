"""FunASR: Paraformer, streaming and whole, and SenseVoice. Only what runs in the engine's process imports the SDK."""
