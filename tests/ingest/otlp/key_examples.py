"""One example for every attribute that a dialect knows, written by hand: kind of span, value, and where it goes.

Kinds: `call` is a chat with a model, `failed` one that failed, `embed` an embedding, `tool` a tool, `find` a retrieval, `any` a
span that says nothing else. Where is a path in the payload, or a field of the event after `event.`.
"""

from __future__ import annotations

from typing import Any

Example = tuple[str, Any, dict[str, Any]]

HI = [{"role": "user", "content": "Hi"}]
HO = {"role": "assistant", "content": "Ho"}
ADD = {"id": "c1", "name": "add", "arguments": {"a": 1}}
ADD_TOOL = {"type": "function", "name": "add", "parameters": {"type": "object"}}
SECOND = 10**9

COMMON: dict[str, Example] = {
    "error.type": (
        "call",
        "openai.RateLimitError",
        {"error.kind": "RateLimitError", "error.type": "openai.RateLimitError"},
    ),
    "flightlog.run.id": ("call", "run-7", {"event.run_id": "run-7", "event.flags": 0}),
    "flightlog.task.id": ("call", "issue-482", {"event.task_id": "issue-482"}),
    "flightlog.actor": ("call", "ann", {"event.actor": "ann"}),
}

GENAI: dict[str, Example] = {
    "gen_ai.operation.name": ("any", "chat", {"operation": "chat", "event.type": "llm_response"}),
    "gen_ai.provider.name": ("call", "aws.bedrock", {"provider": "aws.bedrock"}),
    "gen_ai.request.model": ("call", "gpt-4o", {"request.model": "gpt-4o", "event.name": "gpt-4o"}),
    "gen_ai.response.model": ("call", "gpt-4o-1", {"model": "gpt-4o-1", "event.name": "gpt-4o-1"}),
    "gen_ai.response.id": ("call", "chatcmpl-1", {"response_id": "chatcmpl-1"}),
    "gen_ai.response.finish_reasons": ("call", ["stop", "tool_call"], {"finish_reasons": ["stop", "tool_calls"]}),
    "gen_ai.response.time_to_first_chunk": ("call", 0.25, {"time_to_first_chunk_ns": 250_000_000}),
    "gen_ai.request.stream": ("call", True, {"streamed": True}),
    "gen_ai.usage.input_tokens": ("call", 12, {"usage.input_tokens": 12}),
    "gen_ai.usage.output_tokens": ("call", 7, {"usage.output_tokens": 7}),
    "gen_ai.usage.cache_read.input_tokens": ("call", 5, {"usage.cached_input_tokens": 5}),
    "gen_ai.usage.cache_creation.input_tokens": ("call", 4, {"usage.cache_write_tokens": 4}),
    "gen_ai.usage.reasoning.output_tokens": ("call", 3, {"usage.reasoning_tokens": 3}),
    "gen_ai.input.messages": (
        "call",
        '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
        {"request.messages": HI},
    ),
    "gen_ai.output.messages": (
        "call",
        '[{"role":"assistant","parts":[{"type":"text","content":"Ho"}],"finish_reason":"end_turn"}]',
        {"message": HO, "finish_reasons": ["stop"]},
    ),
    "gen_ai.system_instructions": (
        "call",
        '[{"type":"text","content":"Be kind."}]',
        {"request.messages": [{"role": "system", "content": "Be kind."}]},
    ),
    "gen_ai.tool.definitions": (
        "call",
        '[{"type":"function","name":"add","parameters":{"type":"object"}}]',
        {"request.tools": [ADD_TOOL]},
    ),
    "gen_ai.request.choice.count": ("call", 2, {"request.parameters.n": 2}),
    "gen_ai.request.encoding_formats": ("embed", ["float"], {"request.parameters.encoding_formats": ["float"]}),
    "gen_ai.request.frequency_penalty": ("call", 0.1, {"request.parameters.frequency_penalty": 0.1}),
    "gen_ai.request.max_tokens": ("call", 100, {"request.parameters.max_tokens": 100}),
    "gen_ai.request.presence_penalty": ("call", 0.2, {"request.parameters.presence_penalty": 0.2}),
    "gen_ai.request.seed": ("call", 42, {"request.parameters.seed": 42}),
    "gen_ai.request.stop_sequences": ("call", ["END"], {"request.parameters.stop_sequences": ["END"]}),
    "gen_ai.request.temperature": ("call", 0.5, {"request.parameters.temperature": 0.5}),
    "gen_ai.request.top_k": ("call", 40, {"request.parameters.top_k": 40}),
    "gen_ai.request.top_p": ("call", 0.9, {"request.parameters.top_p": 0.9}),
    "gen_ai.output.type": ("call", "json", {"request.parameters.output_type": "json"}),
    "gen_ai.embeddings.dimension.count": ("embed", 512, {"request.parameters.dimensions": 512}),
    "openai.request.service_tier": ("call", "flex", {"request.parameters.service_tier": "flex"}),
    "gen_ai.tool.name": ("tool", "add", {"tool": "add", "event.name": "add", "event.type": "tool_result"}),
    "gen_ai.tool.call.id": ("tool", "c1", {"call_id": "c1", "event.correlation_id": "c1"}),
    "gen_ai.tool.call.arguments": ("tool", '{"a":1}', {"arguments": {"a": 1}}),
    "gen_ai.tool.call.result": ("tool", '{"sum":3}', {"result": {"sum": 3}}),
    "gen_ai.retrieval.documents": ("find", '[{"id":"d1","score":0.9}]', {"documents": [{"id": "d1", "score": 0.9}]}),
    "gen_ai.retrieval.query.text": ("find", "weather in Paris", {"input": "weather in Paris"}),
    "gen_ai.system": ("call", "az.ai.openai", {"provider": "azure.ai.openai"}),
    "gen_ai.usage.prompt_tokens": ("call", 12, {"usage.input_tokens": 12}),
    "gen_ai.usage.completion_tokens": ("call", 7, {"usage.output_tokens": 7}),
    "gen_ai.prompt": ("call", '[{"role":"user","content":"Hi"}]', {"request.messages": HI}),
    "gen_ai.completion": ("call", "Ho", {"message": HO}),
    "gen_ai.openai.request.seed": ("call", 42, {"request.parameters.seed": 42}),
    "gen_ai.openai.request.response_format": (
        "call",
        "json_schema",
        {"request.parameters.response_format": "json_schema"},
    ),
    "gen_ai.openai.request.service_tier": ("call", "auto", {"request.parameters.service_tier": "auto"}),
    "gen_ai.openai.response.service_tier": ("call", "scale", {"attributes/openai.response.service_tier": "scale"}),
    "gen_ai.openai.response.system_fingerprint": (
        "call",
        "fp_1",
        {"attributes/openai.response.system_fingerprint": "fp_1"},
    ),
    "gen_ai.usage.cost": ("call", 0.0021, {"cost_usd": 0.0021}),
    "gen_ai.usage.total_tokens": ("call", 19, {"attributes/gen_ai.usage.total_tokens": 19}),
}

OPENLLMETRY: dict[str, Example] = {
    "gen_ai.is_streaming": ("call", True, {"streamed": True}),
    "gen_ai.usage.reasoning_tokens": ("call", 3, {"usage.reasoning_tokens": 3}),
    "gen_ai.usage.cache_read_input_tokens": ("call", 5, {"usage.cached_input_tokens": 5}),
    "gen_ai.usage.cache_creation_input_tokens": ("call", 4, {"usage.cache_write_tokens": 4}),
    "gen_ai.openai.system_fingerprint": ("call", "fp_1", {"attributes/openai.response.system_fingerprint": "fp_1"}),
    "gen_ai.task.input": ("any", '{"a": 1}', {"input": {"a": 1}}),
    "gen_ai.task.output": ("any", '{"b": 2}', {"output": {"b": 2}}),
    "traceloop.entity.input": ("any", '{"a": 1}', {"input": {"a": 1}}),
    "traceloop.entity.output": ("any", "done", {"output": "done"}),
    "traceloop.span.kind": ("any", "workflow", {"operation": "invoke_workflow", "event.type": "span_finished"}),
    "llm.request.type": ("any", "completion", {"operation": "text_completion", "event.type": "llm_response"}),
    "llm.is_streaming": ("call", False, {"streamed": False}),
    "llm.usage.total_tokens": ("call", 19, {"attributes/llm.usage.total_tokens": 19}),
    "llm.response.finish_reason": ("call", "function_call", {"finish_reasons": ["tool_calls"]}),
    "llm.response.stop_reason": ("call", "max_tokens", {"finish_reasons": ["length"]}),
    "llm.top_k": ("call", 40, {"request.parameters.top_k": 40}),
    "llm.frequency_penalty": ("call", 0.1, {"request.parameters.frequency_penalty": 0.1}),
    "llm.presence_penalty": ("call", 0.2, {"request.parameters.presence_penalty": 0.2}),
    "llm.chat.stop_sequences": ("call", ["END"], {"request.parameters.stop_sequences": ["END"]}),
    "llm.request.repetition_penalty": ("call", 1.1, {"request.parameters.repetition_penalty": 1.1}),
    "llm.user": ("call", "u1", {"request.parameters.user": "u1"}),
    "llm.request.functions": (
        "call",
        '[{"name":"add","parameters":{"type":"object"}}]',
        {"request.tools": [ADD_TOOL]},
    ),
    "gen_ai.prompt.": (
        "call",
        {"0.role": "user", "0.content": "Hi", "1.role": "tool", "1.content": "3", "1.tool_call_id": "c1"},
        {"request.messages": [*HI, {"role": "tool", "content": "3", "tool_call_id": "c1"}]},
    ),
    "gen_ai.completion.": (
        "call",
        {
            "0.role": "assistant",
            "0.finish_reason": "tool_calls",
            "0.tool_calls.0.id": "c1",
            "0.tool_calls.0.name": "add",
            "0.tool_calls.0.arguments": '{"a": 1}',
        },
        {"message": {"role": "assistant", "tool_calls": [ADD]}, "finish_reasons": ["tool_calls"]},
    ),
    "llm.request.functions.": (
        "call",
        {"0.name": "add", "0.parameters": '{"type": "object"}'},
        {"request.tools": [ADD_TOOL]},
    ),
}

OPENINFERENCE: dict[str, Example] = {
    "openinference.span.kind": ("any", "RETRIEVER", {"operation": "retrieval", "event.type": "span_finished"}),
    "llm.provider": ("call", "azure", {"provider": "azure.ai.openai"}),
    "llm.system": ("call", "mistralai", {"provider": "mistral_ai"}),
    "llm.request.model_name": ("call", "gpt-4o", {"request.model": "gpt-4o"}),
    "llm.response.model_name": ("call", "gpt-4o-1", {"model": "gpt-4o-1"}),
    "llm.model_name": ("call", "gpt-4o-1", {"model": "gpt-4o-1"}),
    "llm.invocation_parameters": (
        "call",
        '{"model": "gpt-4o", "temperature": 0.5, "stream": true}',
        {"request.model": "gpt-4o", "request.parameters": {"temperature": 0.5}, "streamed": True},
    ),
    "llm.finish_reason": ("call", "tool_use", {"finish_reasons": ["tool_calls"]}),
    "llm.token_count.prompt": ("call", 12, {"usage.input_tokens": 12}),
    "llm.token_count.completion": ("call", 7, {"usage.output_tokens": 7}),
    "llm.token_count.total": ("call", 19, {"attributes/llm.token_count.total": 19}),
    "llm.token_count.prompt_details.cache_read": ("call", 5, {"usage.cached_input_tokens": 5}),
    "llm.token_count.prompt_details.cache_write": ("call", 4, {"usage.cache_write_tokens": 4}),
    "llm.token_count.completion_details.reasoning": ("call", 3, {"usage.reasoning_tokens": 3}),
    "llm.cost.total": ("call", 0.0066, {"cost_usd": 0.0066}),
    "input.value": ("any", '{"q": 1}', {"input": {"q": 1}}),
    "input.mime_type": ("any", "text/csv", {"attributes/input.mime_type": "text/csv"}),
    "output.value": ("tool", "12 degrees", {"result": "12 degrees"}),
    "output.mime_type": ("any", "text/csv", {"attributes/output.mime_type": "text/csv"}),
    "embedding.model_name": ("embed", "ada", {"request.model": "ada"}),
    "embedding.invocation_parameters": ("embed", '{"dimensions": 8}', {"request.parameters": {"dimensions": 8}}),
    "embedding.text": ("embed", "hello", {"request.input": "hello"}),
    "reranker.model_name": ("any", "cross-encoder", {"attributes/gen_ai.request.model": "cross-encoder"}),
    "reranker.query": ("any", "How?", {"input": "How?"}),
    "tool.name": ("tool", "add", {"tool": "add"}),
    "tool.id": ("tool", "c1", {"call_id": "c1"}),
    "tool.description": ("tool", "Adds", {"attributes/gen_ai.tool.description": "Adds"}),
    "tool_call.id": ("tool", "c1", {"call_id": "c1"}),
    "tool_call.function.name": ("tool", "add", {"tool": "add"}),
    "tool_call.function.arguments": ("tool", '{"a": 1}', {"arguments": {"a": 1}}),
    "agent.name": ("any", "researcher", {"attributes/gen_ai.agent.name": "researcher", "event.actor": "researcher"}),
    "metadata": ("any", '{"author": "Ann"}', {"attributes/metadata": {"author": "Ann"}}),
    "llm.input_messages.": (
        "call",
        {"0.message.role": "user", "0.message.content": "Hi"},
        {"request.messages": HI},
    ),
    "llm.output_messages.": (
        "call",
        {
            "0.message.role": "assistant",
            "0.message.tool_calls.0.tool_call.id": "c1",
            "0.message.tool_calls.0.tool_call.function.name": "add",
            "0.message.tool_calls.0.tool_call.function.arguments": '{"a": 1}',
        },
        {"message": {"role": "assistant", "tool_calls": [ADD]}},
    ),
    "llm.tools.": (
        "call",
        {"0.tool.json_schema": '{"type":"function","function":{"name":"add","parameters":{"type":"object"}}}'},
        {"request.tools": [ADD_TOOL]},
    ),
    "llm.prompts.": (
        "call",
        {"0.prompt.text": "def fib"},
        {"request.input": "def fib", "operation": "text_completion"},
    ),
    "llm.choices.": ("call", {"0.completion.text": "Ho"}, {"message": HO}),
    "retrieval.documents.": (
        "find",
        {"0.document.id": "d1", "0.document.score": 0.9, "0.document.metadata": '{"page": 3}'},
        {"documents": [{"id": "d1", "score": 0.9, "metadata": {"page": 3}}]},
    ),
    "reranker.input_documents.": (
        "find",
        {"0.document.id": "d1"},
        {"attributes/reranker.input_documents": [{"id": "d1"}]},
    ),
    "reranker.output_documents.": ("find", {"0.document.content": "x"}, {"documents": [{"content": "x"}]}),
    "embedding.embeddings.": (
        "embed",
        {"0.embedding.text": "hello", "0.embedding.vector": [0.5, 0.25]},
        {"request.input": "hello", "embeddings": [[0.5, 0.25]]},
    ),
    "evaluations.": ("call", {"0.evaluation.name": "relevance", "0.evaluation.score": 0.95}, {"feedback.value": 0.95}),
    "annotations.": ("call", {"0.annotation.label": "good"}, {"feedback.value": "good", "feedback.kind": "label"}),
    "trace.evaluations.": ("call", {"0.evaluation.score": 1}, {"feedback.value": 1, "feedback.target_type": "run"}),
    "trace.annotations.": ("call", {"0.annotation.score": 1}, {"feedback.value": 1, "feedback.target_type": "run"}),
}

VERCEL: dict[str, Example] = {
    "ai.operationId": (
        "any",
        "ai.streamText.doStream",
        {"operation": "chat", "streamed": True, "attributes/ai.operationId": "ai.streamText.doStream"},
    ),
    "ai.model.id": ("call", "gpt-4o", {"request.model": "gpt-4o"}),
    "ai.model.provider": ("call", "openai.chat", {"provider": "openai"}),
    "ai.prompt.messages": (
        "call",
        '[{"role":"user","content":[{"type":"text","text":"Hi"}]}]',
        {"request.messages": HI},
    ),
    "ai.prompt": ("call", '{"messages":[{"role":"user","content":"Hi"}]}', {"request.messages": HI}),
    "ai.prompt.tools": (
        "call",
        ['{"type":"function","name":"add","inputSchema":{"type":"object"}}'],
        {"request.tools": [ADD_TOOL]},
    ),
    "ai.prompt.toolChoice": ("call", '{"type":"auto"}', {"request.parameters.tool_choice": {"type": "auto"}}),
    "ai.settings.maxOutputTokens": ("call", 100, {"request.parameters.max_tokens": 100}),
    "ai.settings.maxRetries": ("call", 2, {"request.parameters.max_retries": 2}),
    "ai.response.text": ("call", "Ho", {"message": HO}),
    "ai.response.object": ("call", '{"a":1}', {"message": {"role": "assistant", "content": '{"a":1}'}}),
    "ai.response.toolCalls": (
        "call",
        '[{"type":"tool-call","toolCallId":"c1","toolName":"add","input":"{\\"a\\":1}"}]',
        {"message": {"role": "assistant", "tool_calls": [ADD]}},
    ),
    "ai.response.finishReason": ("call", "tool-calls", {"finish_reasons": ["tool_calls"]}),
    "ai.response.id": ("call", "r1", {"response_id": "r1"}),
    "ai.response.model": ("call", "gpt-4o-1", {"model": "gpt-4o-1"}),
    "ai.response.msToFirstChunk": ("call", 250.5, {"time_to_first_chunk_ns": 250_500_000}),
    "ai.usage.inputTokens": ("call", 12, {"usage.input_tokens": 12}),
    "ai.usage.outputTokens": ("call", 7, {"usage.output_tokens": 7}),
    "ai.usage.promptTokens": ("call", 12, {"usage.input_tokens": 12}),
    "ai.usage.completionTokens": ("call", 7, {"usage.output_tokens": 7}),
    "ai.usage.cachedInputTokens": ("call", 5, {"usage.cached_input_tokens": 5}),
    "ai.usage.reasoningTokens": ("call", 3, {"usage.reasoning_tokens": 3}),
    "ai.usage.totalTokens": ("call", 19, {"attributes/ai.usage.totalTokens": 19}),
    "ai.usage.tokens": ("embed", 8, {"usage.input_tokens": 8}),
    "ai.value": ("embed", "hello", {"request.input": "hello"}),
    "ai.values": ("embed", ["hello", "you"], {"request.input": ["hello", "you"]}),
    "ai.toolCall.name": ("tool", "add", {"tool": "add"}),
    "ai.toolCall.id": ("tool", "c1", {"call_id": "c1"}),
    "ai.toolCall.args": ("tool", '{"a":1}', {"arguments": {"a": 1}}),
    "ai.toolCall.result": ("tool", '"3"', {"result": '"3"'}),
    "ai.result.text": ("call", "Ho", {"message": HO}),
    "ai.result.object": ("call", "{}", {"message": {"role": "assistant", "content": "{}"}}),
    "ai.result.toolCalls": (
        "call",
        '[{"toolCallId":"c1","toolName":"add","args":{"a":1}}]',
        {"message": {"role": "assistant", "tool_calls": [ADD]}},
    ),
    "ai.finishReason": ("call", "length", {"finish_reasons": ["length"]}),
    "ai.stream.msToFirstChunk": ("call", 250, {"time_to_first_chunk_ns": 250_000_000}),
}

LOGFIRE: dict[str, Example] = {
    "events": (
        "call",
        (
            '[{"role":"user","content":"Hi","event.name":"gen_ai.user.message"},{"index":0,'
            '"message":{"role":"assistant","content":"Ho"},"event.name":"gen_ai.choice"}]'
        ),
        {"request.messages": HI, "message": HO},
    ),
    "all_messages_events": (
        "any",
        '[{"role":"user","content":"Hi","event.name":"gen_ai.user.message"}]',
        {"input": HI, "operation": "invoke_agent", "event.type": "span_finished"},
    ),
    "pydantic_ai.all_messages": ("any", '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]', {"input": HI}),
    "request_data": (
        "call",
        '{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}]}',
        {"request": {"model": "gpt-4o", "messages": HI}},
    ),
    "response_data": (
        "call",
        '{"message":{"role":"assistant","content":"Ho"},"usage":{"prompt_tokens":12,"completion_tokens":7}}',
        {"message": HO, "usage": {"input_tokens": 12, "output_tokens": 7}},
    ),
    "gen_ai.usage.details.cache_read_tokens": ("call", 5, {"usage.cached_input_tokens": 5}),
    "gen_ai.usage.details.cache_write_tokens": ("call", 4, {"usage.cache_write_tokens": 4}),
    "gen_ai.usage.details.reasoning_tokens": ("call", 3, {"usage.reasoning_tokens": 3}),
    "operation.cost": ("call", 0.01, {"cost_usd": 0.01}),
    "tool_arguments": ("tool", '{"a":1}', {"arguments": {"a": 1}}),
    "tool_response": ("tool", "3", {"result": "3"}),
    "final_result": ("any", "done", {"output": "done"}),
    "agent_name": ("any", "planner", {"attributes/gen_ai.agent.name": "planner", "event.actor": "planner"}),
}

MLFLOW: dict[str, Example] = {
    "mlflow.spanType": ("any", '"CHAT_MODEL"', {"operation": "chat", "event.type": "llm_response"}),
    "mlflow.spanInputs": ("call", '{"messages":[{"role":"user","content":"Hi"}]}', {"request.messages": HI}),
    "mlflow.spanOutputs": (
        "call",
        '{"id":"r1","object":"chat.completion","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Ho"}}]}',
        {"message": HO, "response_id": "r1", "finish_reasons": ["stop"]},
    ),
    "mlflow.chat.tokenUsage": (
        "call",
        '{"input_tokens":12,"output_tokens":7,"total_tokens":19}',
        {"usage": {"input_tokens": 12, "output_tokens": 7}},
    ),
    "mlflow.chat.tools": (
        "call",
        '[{"type":"function","function":{"name":"add","parameters":{"type":"object"}}}]',
        {"request.tools": [ADD_TOOL]},
    ),
    "mlflow.llm.cost": ("call", '{"input_cost":0.1,"output_cost":0.2,"total_cost":0.3}', {"cost_usd": 0.3}),
    "mlflow.llm.model": ("call", '"gpt-4o-1"', {"model": "gpt-4o-1"}),
    "mlflow.llm.provider": ("call", '"openai"', {"provider": "openai"}),
}

LANGFUSE: dict[str, Example] = {
    "langfuse.observation.type": ("any", "generation", {"operation": "chat", "event.type": "llm_response"}),
    "langfuse.observation.input": ("call", '[{"role":"user","content":"Hi"}]', {"request.messages": HI}),
    "langfuse.observation.output": ("call", '{"role":"assistant","content":"Ho"}', {"message": HO}),
    "langfuse.observation.model.name": ("call", "gpt-4o", {"model": "gpt-4o"}),
    "langfuse.observation.model.parameters": ("call", '{"temperature":0.5}', {"request.parameters.temperature": 0.5}),
    "langfuse.observation.usage_details": (
        "call",
        '{"input":5,"input_cached_tokens":100,"output":7,"total":112}',
        {"usage": {"input_tokens": 105, "output_tokens": 7, "cached_input_tokens": 100}},
    ),
    "langfuse.observation.cost_details": ("call", '{"input":0.1,"output":0.2,"total":0.3}', {"cost_usd": 0.3}),
    "langfuse.observation.completion_start_time": (
        "call",
        '"2026-03-02T09:14:07.250000Z"',
        {"time_to_first_chunk_ns": 250_000_000},
    ),
    "langfuse.observation.status_message": ("failed", "too slow", {"error.message": "too slow"}),
    "langfuse.trace.input": ("any", '"Hi"', {"input": "Hi"}),
    "langfuse.trace.output": ("any", '{"b":2}', {"output": {"b": 2}}),
    "langfuse.user.id": ("any", "u1", {"attributes/user.id": "u1", "event.actor": "u1"}),
    "langfuse.session.id": ("any", "s1", {"attributes/session.id": "s1"}),
}

EXAMPLES: dict[str, dict[str, Example]] = {
    "": COMMON,
    "genai": GENAI,
    "openllmetry": OPENLLMETRY,
    "openinference": OPENINFERENCE,
    "vercel": VERCEL,
    "logfire": LOGFIRE,
    "mlflow": MLFLOW,
    "langfuse": LANGFUSE,
}
