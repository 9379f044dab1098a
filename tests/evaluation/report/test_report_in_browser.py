"""The report as a browser shows it: on a phone, offline, and without a word on the console."""

import html
import json
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
from test_report import EVIL, compared, metric, model

from silly_llm.evaluation.metrics.base import KNOWING, Label
from silly_llm.evaluation.report.report import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium to show the report with")
PHONE = 390
MEASURE = """
<iframe id="page" style="width: {width}px; height: 800px; border: 0" srcdoc="{page}"></iframe>
<script>
onload = () => {{
  const page = document.getElementById("page").contentDocument;
  const found = [{{open: 0}}, {{open: 1}}].map(({{open}}) => {{
    if (open) page.querySelectorAll("details").forEach(details => details.open = true);
    const width = page.documentElement.clientWidth;
    const beyond = [...page.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > width + 1 && !e.closest("pre"));
    const seen = [...page.querySelectorAll(".forest .who")].filter(e => e.getBoundingClientRect().right <= width);
    return {{width, scroll: page.documentElement.scrollWidth, beyond: beyond.map(e => e.className + ": " + e.textContent.slice(0, 40)),
            models: [...new Set(seen.map(e => e.textContent))]}};
  }});
  document.body.innerHTML = "<pre>" + encodeURIComponent(JSON.stringify(found)) + "</pre>";
}};
</script>
"""


@pytest.fixture
def proxy():
    """A proxy that lets nothing through and remembers what was asked for."""
    asked = []

    class Refuse(BaseHTTPRequestHandler):
        def refuse(self):
            asked.append(self.path)
            self.send_error(502)

        do_GET = do_CONNECT = do_POST = refuse

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.asked = asked
    yield server
    server.shutdown()


def browse(file, proxy, tmp_path, *options):
    """The page's DOM after its scripts, and what the browser said on its console."""
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--v=0",
        "--dump-dom",
    ]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    command += [f"--proxy-server=127.0.0.1:{proxy.server_port}", "--proxy-bypass-list=<-loopback>"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", *options, file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def ours(asked):
    """Requests other than the browser's own housekeeping."""
    return [path for path in asked if not re.search(r"google(apis)?\.com|gvt1\.com|gstatic\.com", path)]


@pytest.mark.parametrize("count", [2, 8])
def test_on_a_phone_every_model_is_seen_without_scrolling_sideways(count, tmp_path, proxy):
    names = [f"model-{i} " + "with_a_long_name_" * (i % 3) for i in range(count)]
    results = compared({name: model(0.9 + i / 100, i % 2 == 1) for i, name in enumerate(names)})
    for found in results["models"].values():
        for name, label in (("blimp", "BLiMP"), ("blimp/syntax", "BLiMP: syntax")):  # folded one below the other
            found["metrics"][name] = metric(0.5, 0.4, 0.6, label=Label(label, KNOWING, percent=True))
    write_report(results, tmp_path, generations=texts(names))
    page = html.escape((tmp_path / "report.html").read_text(encoding="utf-8"), quote=True)
    (tmp_path / "phone.html").write_text(MEASURE.format(width=PHONE, page=page), encoding="utf-8")
    dom, console = browse(tmp_path / "phone.html", proxy, tmp_path)
    (found,) = re.findall("<pre>(%5B.*?)</pre>", dom)
    for state in json.loads(unquote(found)):
        assert state["scroll"] <= state["width"] <= PHONE
        assert state["beyond"] == []
        assert set(names) <= set(state["models"])
    assert console == []


def test_it_asks_the_network_for_nothing_and_says_nothing_on_the_console(tmp_path, proxy):
    write_report(
        compared({f"base {EVIL}": model(0.9, False), "tuned": model(0.95, True)}),
        tmp_path,
        generations=texts([f"base {EVIL}", "tuned"]),
    )
    dom, console = browse(tmp_path / "report.html", proxy, tmp_path)
    assert "Every text, to browse" in dom and "<script" not in dom
    assert console == [] and ours(proxy.asked) == []
    bad = tmp_path / "bad.html"  # the same page as it must not be: the test can fail
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    bad.write_text(
        re.sub("<meta http-equiv[^>]*>", "", page)
        + '<img src="http://203.0.113.1/x.png"><script>console.error("no")</script>'
    )
    _, console = browse(bad, proxy, tmp_path)
    assert any('"no"' in line for line in console) and any("203.0.113.1" in path for path in ours(proxy.asked))


def texts(names):
    return [
        {"model": name, "prompt": f"Tell {i} {EVIL}" * (1 + i), "sample": 1, "text": f"A story {EVIL}", "ended": True}
        for name in names
        for i in range(45)
    ]
