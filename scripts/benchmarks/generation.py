"""How fast can stories be asked for? Ours beside a bare aiohttp loop, the Hub's client, and a peer, against one server.

    python scripts/benchmarks/generation.py                       # 256 and 1,024 in flight, 200 ms latency
    python scripts/benchmarks/generation.py --peer_python PATH     # also distilabel, in an environment of its own

The scripted server of tests/servers has one core, the client another. `requests/s` is over the whole run, `of ceiling` relative
to in_flight / latency, `CPU ms` the client's processor time a request, `peak MB` the most memory of the client's process. `ours` is the engine as `silly-llm generate` uses
it: prompts, adaptive limit, retries, journal; `ours, all` adds the writer process with its filters and Parquet (on a machine
of two cores it shares the client's), whose processor time is not the client's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = "scripted"


def requests_of(total: int) -> Iterator[dict]:
    """Chat requests as the recipe's prompts make them."""
    from silly_llm.data.generation.components import request_for

    args, prompts = parts()
    for index in range(total):
        request = request_for(args, index, 0, prompts.prompt(args.seed, index))
        yield {
            "model": MODEL,
            "messages": [dict(message) for message in request.messages],
            "seed": request.seed,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
        }


def parts():
    """Arguments and prompt generator of the default recipe."""
    from silly_llm.core.container import Container
    from silly_llm.data.arguments import GenerationArguments, PromptSettings
    from silly_llm.data.generation.components import GenerationComponents
    from silly_llm.data.vocabulary.lists import load_vocabulary

    args, vocabulary = GenerationArguments(), load_vocabulary(None)
    GenerationComponents(args)  # imports what a run does, before the clock starts
    container = Container().provide(PromptSettings, args).provide(type(vocabulary), vocabulary)
    return args, container.build("prompt_generator", args.prompt_generator)


async def bare_aiohttp(url: str, total: int, in_flight: int, folder: Path) -> None:
    """What one writes in ten lines: no retries, no journal."""
    import aiohttp

    todo = requests_of(total)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def worker() -> None:
            for body in todo:
                async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                    answer = await response.json()
                    assert answer["choices"][0]["message"]["content"]

        await asyncio.gather(*(worker() for _ in range(in_flight)))


async def hub_client(url: str, total: int, in_flight: int, folder: Path) -> None:
    """`AsyncInferenceClient` as its documentation shows it."""
    from huggingface_hub import AsyncInferenceClient

    todo = requests_of(total)
    client = AsyncInferenceClient(base_url=url, headers={"authorization": None})

    async def worker() -> None:
        for body in todo:
            answer = await client.chat_completion(**body)
            assert answer.choices[0].message.content

    await asyncio.gather(*(worker() for _ in range(in_flight)))


def provider_of(url: str, in_flight: int):
    from silly_llm.core.container import Container

    spec = {
        "type": "openai",
        "base_url": url + "/v1",
        "model": MODEL,
        "concurrency": in_flight,
        "max_concurrency": in_flight,
    }
    return Container().build("llm_provider", spec)


async def ours(url: str, total: int, in_flight: int, folder: Path) -> None:
    """The engine with its journal."""
    from silly_llm.asking.engine import Engine, answer_all
    from silly_llm.asking.journal import Journal
    from silly_llm.data.generation.components import request_for
    from silly_llm.providers.base import Completion

    args, prompts = parts()
    provider = provider_of(url, in_flight)
    pairs = ((i, request_for(args, i, 0, prompts.prompt(args.seed, i))) for i in range(total))
    with Journal(folder / "journal.sqlite") as journal:
        async for _, _, answer in answer_all(pairs, Engine(provider, journal)):
            assert isinstance(answer, Completion), answer
    await provider.aclose()


def ours_all(url: str, total: int, in_flight: int, folder: Path) -> None:
    """`silly-llm generate`."""
    from silly_llm.data.generation.generate import main

    options = {
        "provider.type": "openai",
        "provider.base_url": url + "/v1",
        "provider.model": MODEL,
        "provider.concurrency": in_flight,
        "provider.max_concurrency": in_flight,
        "num_stories": total,
        "filters": "[finish_reason, refusals, assistant_talk, markup, language, profanity, personal_data]",
        "output_dir": folder / "stories",
    }
    main([str(token) for key, value in options.items() for token in (f"--{key}", value)])


PEER = """
import asyncio, json, resource, sys, time
from distilabel.models.llms import OpenAILLM
url, total, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
llm = OpenAILLM(model="scripted", base_url=url + "/v1", api_key="none")
llm.load()
prompts = [json.loads(line)["messages"] for line in sys.stdin]
began, cpu = time.perf_counter(), time.process_time()
for start in range(0, total, in_flight):
    llm.generate(prompts[start : start + in_flight], max_new_tokens=512)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "peak": peak}))
"""
"""distilabel asks in batches of `in_flight`, each waiting for its slowest answer."""
CONTESTANTS = {"bare aiohttp": bare_aiohttp, "AsyncInferenceClient": hub_client, "ours": ours, "ours, all": ours_all}


def contestant(name: str, url: str, total: int, in_flight: int) -> None:
    """Run one contestant in this process; prints seconds and processor seconds as JSON."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        work = CONTESTANTS[name]
        next(requests_of(1))  # imports and word lists are not what is measured
        began, cpu = time.perf_counter(), time.process_time()
        result = work(url, total, in_flight, Path(folder))
        if asyncio.iscoroutine(result):
            asyncio.run(result)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak}))


@contextmanager
def server(latency: float) -> Iterator[str]:
    """The scripted server's address, on a core of its own."""
    command = [sys.executable, "-m", "servers.scripted_llm", f"latency={latency}", "cheap_answers=true"]
    with subprocess.Popen(command, cwd=ROOT / "tests", stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        yield process.stdout.readline().strip()
        process.terminate()


def race(options: argparse.Namespace) -> None:
    """Serve, run every contestant, print the table."""
    names = options.only or [*CONTESTANTS, *(["distilabel"] if options.peer_python else [])]
    print(f"{'':<22}{'in flight':>10}{'requests/s':>12}{'of ceiling':>12}{'CPU ms':>8}{'peak MB':>9}")
    for in_flight in options.in_flight:
        ceiling = in_flight / options.latency
        total = int(ceiling * options.seconds)
        for name in names:
            with server(options.latency) as url:
                if name == "distilabel":
                    lines = "\n".join(json.dumps(body) for body in requests_of(total))
                    command = [options.peer_python, "-c", PEER, url, total, in_flight]
                else:
                    lines = ""
                    command = [sys.executable, __file__, "--contestant", name, "--url", url]
                    command += ["--total", total, "--in_flight", in_flight]
                done = subprocess.run([str(c) for c in command], input=lines, capture_output=True, text=True)
            if done.returncode:
                print(f"{name:<22}{in_flight:>10}  failed: {done.stderr.strip().splitlines()[-1]}")
                continue
            result = json.loads(done.stdout.strip().splitlines()[-1])
            rate, cpu = total / result["seconds"], 1000 * result["cpu"] / total
            print(
                f"{name:<22}{in_flight:>10}{rate:>12,.0f}{rate / ceiling:>12.0%}{cpu:>8.2f}{result['peak']:>9.0f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in_flight", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--latency", type=float, default=0.2, help="seconds the server takes")
    parser.add_argument("--seconds", type=float, default=10, help="length of a run at the ceiling")
    parser.add_argument("--only", nargs="+", help="contestants")
    parser.add_argument("--peer_python", help="a Python that has distilabel")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--total", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        contestant(options.contestant, options.url, options.total, options.in_flight[0])
    else:
        race(options)


if __name__ == "__main__":
    main()
