"""Stand-ins on loopback for what the package talks to: `scripted_llm.ScriptedLLM` for teachers, `local_hub.LocalHub` for the Hub.

Both are coroutines behind the one HTTP frame of `frame.py`, in a thread of the test's process. From a shell, in `tests/`:

    python -m servers.scripted_llm --port 8000 latency=0.2      # prints its address
    python -m servers.local_hub --port 8765                     # prints what to export
"""
