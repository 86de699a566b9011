"""The composition root: a configuration becomes a running hub, and a hub becomes a server."""

from asr_hub.app.plan import cutting_of, plan_of
from asr_hub.app.ports import Serving, serving
from asr_hub.app.process import serve
from asr_hub.app.running import running_hub

__all__ = ["Serving", "cutting_of", "plan_of", "running_hub", "serve", "serving"]
