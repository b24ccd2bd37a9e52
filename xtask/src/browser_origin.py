"""A page of another site, in a real browser, at a local Kinesis: it lists, reads, puts and deletes nothing.

The page is that of an attacker whom the user visits while a service is open. It tries each call

- as another origin: with the headers that Kinesis wants (the browser asks first), without them (`no-cors`, as a form
  would), by a form, by a beacon, from a frame without an origin;
- under a name of its own that is resolved to this machine since (DNS rebinding), so that page and service are of one
  origin for the browser.

First a program of this machine does the same calls: they work, so that what the page is refused is not refused for
its form.
"""

import argparse
import http.server
import json
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

from looking import PAGE, Fault, require

SECRET = "what-nobody-else-may-read"
CALLS = {
    "list": ("ListStreams", {}),
    "describe": ("DescribeStreamSummary", {"StreamName": "secret"}),
    "read": ("GetRecords", {"ShardIterator": None}),
    "put": ("PutRecord", {"StreamName": "secret", "PartitionKey": "forged", "Data": "Zm9yZ2Vk"}),
    "delete": ("DeleteStream", {"StreamName": "secret"}),
}
# Everything that a page can send with; each answer that it is shown, as text.
ATTACK = """
async ({url, calls, headers}) => {
    const seen = [];
    const tried = async (name, work) => {
        try { seen.push([name, await work()]); } catch (error) { seen.push([name, `refused: ${error}`]); }
    };
    for (const [name, [operation, body]] of Object.entries(calls)) {
        const text = JSON.stringify(body);
        const signed = {...headers, "x-amz-target": `Kinesis_20131202.${operation}`};
        const query = `${url}/?X-Amz-Algorithm=x&X-Amz-Credential=any&X-Amz-Signature=0&X-Amz-SignedHeaders=host` +
            `&X-Amz-Date=20180906T080000Z&Action=${operation}`;
        const shown = async (to, options) => {
            const answer = await fetch(to, options);
            return `${answer.status} ${answer.type} ${await answer.text()}`;
        };
        for (const method of ["POST", "PUT"]) {
            await tried(`${name} cors ${method}`, () => shown(url, {method, headers: signed, body: text}));
        }
        await tried(`${name} get`, () => shown(query, {}));
        await tried(`${name} no-cors`, () => shown(query, {method: "POST", mode: "no-cors", body: text}));
        await tried(`${name} no-cors with headers`,
            () => shown(query, {method: "POST", mode: "no-cors", headers: signed, body: text}));
        await tried(`${name} beacon`, async () => String(navigator.sendBeacon(query, text)));
        await tried(`${name} form`, () => new Promise(resolve => {
            const frame = document.createElement("iframe");
            frame.name = `frame-${seen.length}`;
            const form = Object.assign(document.createElement("form"),
                {method: "post", action: query, target: frame.name, enctype: "text/plain"});
            form.append(Object.assign(document.createElement("input"), {name: text, value: ""}));
            document.body.append(frame, form);
            frame.onload = () => {
                let inside = "";
                try { inside = frame.contentDocument.body.innerText; } catch (error) { inside = `refused: ${error}`; }
                resolve(inside);
            };
            form.submit();
            setTimeout(() => resolve("refused: no answer"), 3000);
        }));
    }
    return seen;
}
"""
PAGE_OF_ATTACKER = "<!doctype html><title>attacker</title><body>hello</body>"
HEADERS = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-date": "20180906T080000Z",
    "authorization": "AWS4-HMAC-SHA256 Credential=any/20180906/us-east-1/kinesis/aws4_request, "
                     "SignedHeaders=host, Signature=0",
}


def call(url, operation, body):
    """As a program of this machine."""
    request = urllib.request.Request(
        url, json.dumps(body).encode(), HEADERS | {"x-amz-target": f"Kinesis_20131202.{operation}"})
    with urllib.request.urlopen(request, timeout=PAGE) as answer:
        return json.loads(answer.read() or "{}")


def iterator(url):
    return call(url, "GetShardIterator", {
        "StreamName": "secret", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON",
    })["ShardIterator"]


def records(url):
    return [record["PartitionKey"] for record in call(url, "GetRecords", {"ShardIterator": iterator(url)})["Records"]]


def prepare(url):
    call(url, "CreateStream", {"StreamName": "secret", "ShardCount": 1})
    threading.Event().wait(1)  # it takes 100 ms
    call(url, "PutRecord", {"StreamName": "secret", "PartitionKey": SECRET, "Data": "b3Vycw=="})
    # What the page will try, from here: it works.
    require("a program of this machine may list", call(url, *CALLS["list"])["StreamNames"] == ["secret"])
    require("it may read", records(url) == [SECRET])
    call(url, "CreateStream", {"StreamName": "other", "ShardCount": 1})
    threading.Event().wait(1)
    call(url, "DeleteStream", {"StreamName": "other"})
    threading.Event().wait(1)


class Attacker(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE_OF_ATTACKER.encode())

    def log_message(self, *_):
        pass


def attack(where, page, url, to):
    calls = CALLS | {"read": ("GetRecords", {"ShardIterator": iterator(url)})}
    seen = page.evaluate(ATTACK, {"url": to, "calls": calls, "headers": HEADERS})
    require(f"{where}: the page tried everything", len(seen) == 7 * len(CALLS))
    for name, answer in seen:
        shown = [word for word in ("StreamNames", "secret", SECRET, "SequenceNumber", "NextShardIterator")
                 if word in answer]
        require(f"{where}: {name} is shown {shown}: {answer[:300]}", not shown)
        require(f"{where}: {name} is let in: {answer[:300]}", not answer.startswith("200"))
    require(f"{where}: nothing is deleted", call(url, *CALLS["list"])["StreamNames"] == ["secret"])
    require(f"{where}: nothing is put", records(url) == [SECRET])
    print(f"  {where}: {len(seen)} ways tried, nothing listed, read, put or deleted")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--service", required=True, type=Path, help="the program local_kinesis")
    options = parser.parse_args()
    attacker = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Attacker)
    threading.Thread(target=attacker.serve_forever, daemon=True).start()
    service = subprocess.Popen([options.service], stdout=subprocess.PIPE, text=True)
    try:
        url = service.stdout.readline().strip()
        port = re.fullmatch(r"http://127\.0\.0\.1:(\d+)", url)[1]
        prepare(url)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=options.chromium,
                args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                      # The attacker's own names, all resolved to this machine.
                      "--host-resolver-rules=MAP *.example 127.0.0.1"])
            page = browser.new_page()
            page.goto(f"http://attacker.example:{attacker.server_port}/")
            attack("another origin", page, url, url)
            attack("another origin, by the name localhost", page, url, f"http://localhost:{port}")
            # A page of a file, or in a sandboxed frame, has no origin: the browser says `null`.
            page.goto("data:text/html," + PAGE_OF_ATTACKER)
            attack("no origin", page, url, url)
            # First the attacker's own server answers at that name and port, then the name is this machine's.
            rebound = f"http://rebound.example:{port}"
            page.route(f"{rebound}/page", lambda route: route.fulfill(body=PAGE_OF_ATTACKER, content_type="text/html"))
            page.goto(f"{rebound}/page")
            require("the page is of the service's origin",
                    page.evaluate("origin") == rebound)
            attack("a name that was rebound", page, url, rebound)
            browser.close()
    finally:
        service.kill()
        service.wait()
        attacker.shutdown()


if __name__ == "__main__":
    try:
        main()
    except Fault as fault:
        sys.exit(f"FAULT: {fault}")
