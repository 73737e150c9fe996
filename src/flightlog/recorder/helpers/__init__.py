"""Ready-made recording for what AI work is made of: model calls, tools, patches, tests, commands, errors, decisions."""

from __future__ import annotations

from flightlog.recorder.helpers.base import Emits
from flightlog.recorder.helpers.commands import ExecResult
from flightlog.recorder.helpers.decorate import tool
from flightlog.recorder.helpers.instruments import Instruments
from flightlog.recorder.helpers.llm import LLMCall
from flightlog.recorder.helpers.testruns import TestBlock, TestReport
from flightlog.recorder.helpers.tools import ToolCall

__all__ = ["Emits", "ExecResult", "Instruments", "LLMCall", "TestBlock", "TestReport", "ToolCall", "tool"]
