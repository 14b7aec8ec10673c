"""Chat templates that behave like well-known ones where multi-turn tokenization is concerned.

Written anew for these probes, not copied: the words differ from the originals, the structure
that decides about increments is theirs.

``QWEN25``: a system turn is made up where there is none; tools are listed in it; tool calls
stand between markers; replies of tools that follow each other share one user turn.
``QWEN3``: the same without the made-up system turn. Reasoning, in a key of
its own or in the text, is shown only after the user's last question, and the last turn gets an
empty block where it has none.
``PLAIN``: every message in its own turn, nothing added, nothing dropped.

Source: chat_template of Qwen/Qwen2.5-0.5B-Instruct and Qwen/Qwen3-0.6B (behaviour as known
2026-11-20).
"""

from __future__ import annotations

_TOOLS = """{%- if tools %}
    {{- '\\n\\nYou may call these functions:' }}
    {%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
    {{- '\\nAnswer with JSON between <tool_call> and </tool_call>.' }}
{%- endif %}"""
_CALLS = """{%- for call in message.tool_calls or [] %}
    {%- if call.function %}{%- set call = call.function %}{%- endif %}
    {{- '\\n<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
    {{- call.arguments if call.arguments is string else call.arguments | tojson }}
    {{- '}\\n</tool_call>' }}
{%- endfor %}"""
_REPLY = """{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}
    {{- '<|im_start|>user' }}
{%- endif %}
{{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}"""
_OPEN = "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"

QWEN25 = f"""{{%- if messages[0].role == 'system' %}}
    {{{{- '<|im_start|>system\\n' + messages[0].content }}}}{_TOOLS}{{{{- '<|im_end|>\\n' }}}}
{{%- else %}}
    {{{{- '<|im_start|>system\\nBe helpful.' }}}}{_TOOLS}{{{{- '<|im_end|>\\n' }}}}
{{%- endif %}}
{{%- for message in messages %}}
    {{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}}
        {{{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}}}
    {{%- elif message.role == 'assistant' %}}
        {{{{- '<|im_start|>assistant\\n' + (message.content or '') }}}}{_CALLS}
        {{{{- '<|im_end|>\\n' }}}}
    {{%- elif message.role == 'tool' %}}{_REPLY}{{%- endif %}}
{{%- endfor %}}{_OPEN}"""

QWEN3 = f"""{{%- if messages[0].role == 'system' or tools %}}
    {{{{- '<|im_start|>system\\n' }}}}
    {{%- if messages[0].role == 'system' %}}{{{{- messages[0].content }}}}{{%- endif %}}{_TOOLS}
    {{{{- '<|im_end|>\\n' }}}}
{{%- endif %}}
{{%- set last = namespace(question=messages | length - 1, searching=true) %}}
{{%- for message in messages[::-1] %}}
    {{%- if last.searching and message.role == 'user' %}}
        {{%- set last.searching = false %}}
        {{%- set last.question = messages | length - 1 - loop.index0 %}}
    {{%- endif %}}
{{%- endfor %}}
{{%- for message in messages %}}
    {{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}}
        {{{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}}}
    {{%- elif message.role == 'assistant' %}}
        {{%- set said = message.content or '' %}}
        {{%- set thought = '' %}}
        {{%- if message.reasoning_content is string %}}
            {{%- set thought = message.reasoning_content.strip('\\n') %}}
        {{%- elif '</think>' in said %}}
            {{%- set thought = said.split('</think>')[0].split('<think>')[-1].strip('\\n') %}}
            {{%- set said = said.split('</think>')[-1].lstrip('\\n') %}}
        {{%- endif %}}
        {{{{- '<|im_start|>assistant\\n' }}}}
        {{%- if loop.index0 > last.question and (loop.last or thought) %}}
            {{{{- '<think>\\n' + thought + '\\n</think>\\n\\n' }}}}
        {{%- endif %}}
        {{{{- said }}}}{_CALLS}{{{{- '<|im_end|>\\n' }}}}
    {{%- elif message.role == 'tool' %}}{_REPLY}{{%- endif %}}
{{%- endfor %}}{_OPEN}"""

PLAIN = f"""{{%- for message in messages %}}
    {{{{- '<|im_start|>' + (message.role or 'system') + '\\n' + (message.content or '') }}}}
    {_CALLS}{{{{- '<|im_end|>\\n' }}}}
{{%- endfor %}}{_OPEN}"""

TEMPLATES = {"Qwen2.5-like": QWEN25, "Qwen3-like": QWEN3, "plain": PLAIN}
