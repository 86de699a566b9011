"""`memory_mb` on a GPU. On the CPU the kernel holds a process to it."""

from __future__ import annotations

from asr_hub.errors import ConfigError


def hold_torch_to(device: str, memory_mb: int | None) -> None:
    """Have torch refuse what goes beyond `memory_mb` MiB of `device`, in this process."""
    if memory_mb is None or not device.startswith("cuda"):
        return
    import torch

    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, memory_mb * 2**20 / total), device)


def refuse_budget(engine: str, device: str, memory_mb: int | None) -> None:
    """For an engine that cannot be held to a budget on a GPU: raises ConfigError where there is one."""
    if memory_mb is not None and device.startswith("cuda"):
        raise ConfigError(
            f"{engine} cannot be held to `memory_mb` on a GPU; leave it out, and choose `max_batch` and the model so "
            "that they fit"
        )
