"""A bot that downloads a file and computes its checksum.

    python3 bots/python/examples/file_checksum.py

It connects to public addresses only, because anyone who may submit a
request chooses them; FILE_CHECKSUM_ALLOW_PRIVATE=true lifts that.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import os
import socket
import ssl
import sys
import time
from datetime import timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Dict, Optional
from urllib.parse import SplitResult, urljoin, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from halfway_bot import Bot, BotFailure, Request  # noqa: E402

MAX_BYTES = 4 * 1024 ** 3
MAX_REDIRECTS = 5
TIMEOUT_SECONDS = 20
CHUNK_BYTES = 64 * 1024
#: How often progress is reported.
REPORT_SECONDS = 0.25
ALGORITHMS = {"sha256": "SHA-256", "sha512": "SHA-512", "sha1": "SHA-1",
              "md5": "MD5"}
OPTIONS = [{"value": value, "label": label}
           for value, label in ALGORITHMS.items()]

DEFINITION: Dict[str, Any] = {
    "slug": "file-checksum",
    "title": {"en": "File checksum", "fa": "جمع‌آزمای پرونده"},
    "description": {
        "en": "Downloads a file and computes its checksum.",
        "fa": "پرونده‌ای را دریافت و جمع‌آزمای آن را حساب می‌کند.",
    },
    "icon": "🧮",
    "fields": [
        {"name": "url", "type": "url",
         "label": {"en": "Address of the file", "fa": "نشانی پرونده"},
         "example": "https://example.com/"},
        {"name": "algorithm", "type": "choice", "default": "sha256",
         "label": {"en": "Algorithm", "fa": "الگوریتم"},
         "options": OPTIONS},
        {"name": "expected", "type": "text", "required": False,
         "max_length": 128,
         "pattern": {
             "regex": "[0-9A-Fa-f]+",
             "message": {"en": "A checksum has digits and letters A to F.",
                         "fa": "جمع‌آزما از رقم‌ها و حروف A تا F است."}},
         "label": {"en": "Expected checksum", "fa": "جمع‌آزمای مورد انتظار"},
         "hint": {"en": "To compare it with that of the file",
                  "fa": "برای مقایسه با جمع‌آزمای پرونده"}},
    ],
    "steps": [
        {"id": "connecting", "usual_seconds": 1,
         "title": {"en": "Open the address", "fa": "باز کردن نشانی"}},
        {"id": "downloading", "usual_seconds": 20,
         "title": {"en": "Read the file", "fa": "خواندن پرونده"}},
    ],
    "result": {
        "headline": "checksum",
        "fields": [
            {"name": "checksum", "type": "text",
             "label": {"en": "Checksum", "fa": "جمع‌آزما"}},
            {"name": "algorithm", "type": "choice", "options": OPTIONS,
             "label": {"en": "Algorithm", "fa": "الگوریتم"}},
            {"name": "comparison", "type": "choice",
             "hide_when_empty": True,
             "label": {"en": "Comparison", "fa": "مقایسه"},
             "options": [
                 {"value": "equal",
                  "label": {"en": "As expected", "fa": "همان که انتظار بود"}},
                 {"value": "different",
                  "label": {"en": "Another one than expected",
                            "fa": "جز آنچه انتظار بود"}}]},
            {"name": "url", "type": "url",
             "label": {"en": "Address, after redirects",
                       "fa": "نشانی، پس از تغییر مسیر"}},
            {"name": "bytes", "type": "number",
             "unit": {"en": "bytes", "fa": "بایت"},
             "label": {"en": "Size", "fa": "اندازه"}},
            {"name": "content_type", "type": "text", "hide_when_empty": True,
             "label": {"en": "Type", "fa": "نوع"}},
            {"name": "modified", "type": "date", "hide_when_empty": True,
             "label": {"en": "Last change", "fa": "آخرین تغییر"}},
            {"name": "took", "type": "duration",
             "label": {"en": "Download time", "fa": "زمان دریافت"}},
        ],
    },
    "messages": {
        "connecting": {"en": "Opening the address…",
                       "fa": "در حال باز کردن نشانی…"},
        "downloading": {
            "en": "Read {megabytes, number} MB…",
            "fa": "{megabytes, number} مگابایت خوانده شد…"},
        "not_public": {
            "en": "This address is not on the public internet.",
            "fa": "این نشانی در اینترنت عمومی نیست."},
        "unreachable": {"en": "The address does not answer.",
                        "fa": "این نشانی پاسخ نمی‌دهد."},
        "refused": {"en": "There is no file at this address.",
                    "fa": "در این نشانی پرونده‌ای نیست."},
        "incomplete": {"en": "The file ended too early.",
                       "fa": "پرونده پیش از پایان قطع شد."},
        "too_large": {"en": "The file is larger than 4 GB.",
                      "fa": "پرونده از ۴ گیگابایت بزرگ‌تر است."},
    },
    "usual_seconds": 20,
}

bot = Bot()


@bot.service(DEFINITION)
def file_checksum(data: Dict[str, Any], request: Request) -> Dict[str, Any]:
    request.progress(1, "connecting", "Opening the address…",
                     message_key="connecting")
    started_at = time.monotonic()
    try:
        download = Download(data["url"], request)
        try:
            digest = read_all(download, data["algorithm"], request)
        finally:
            download.close()
    except (OSError, http.client.HTTPException) as error:
        # A cancel closes the connection: that is no failure.
        request.check()
        if isinstance(error, http.client.IncompleteRead):
            raise failure("incomplete", retryable=True) from error
        raise failure("unreachable", retryable=True) from error
    result: Dict[str, Any] = {
        "checksum": digest,
        "algorithm": data["algorithm"],
        "url": download.url,
        "bytes": download.read_bytes,
        "content_type": download.content_type,
        "modified": download.modified,
        "took": round(time.monotonic() - started_at, 1),
    }
    expected = data.get("expected")
    if expected:
        is_equal = expected.lower() == digest
        result["comparison"] = "equal" if is_equal else "different"
    return result


class Download:
    """The answer of the address, after redirects."""

    def __init__(self, url: str, request: Request) -> None:
        for _ in range(MAX_REDIRECTS + 1):
            self.url = url
            self._connection = connect(urlsplit(url), request)
            self._response = self._connection.getresponse()
            target = self._response.getheader("Location")
            if self._response.status not in (301, 302, 303, 307, 308):
                break
            self.close()
            url = urljoin(url, target or "")
        if self._response.status != 200:
            self.close()
            raise failure("refused")
        self.read_bytes = 0
        self.total = self._response.length
        self.content_type = self._response.getheader("Content-Type")
        self.modified = iso_time(self._response.getheader("Last-Modified"))

    def read(self) -> bytes:
        """The next part; empty at the end."""
        if self.read_bytes == self.total:
            return b""
        part = self._response.read1(CHUNK_BYTES)
        self.read_bytes += len(part)
        if not part and self.total is not None:
            raise http.client.IncompleteRead(b"")
        return part

    def close(self) -> None:
        self._response.close()
        self._connection.close()


def connect(parts: SplitResult,
            request: Request) -> http.client.HTTPConnection:
    """Sends the request for an address."""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise failure("refused")
    is_secure = parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    sock = open_socket(parts.hostname, port)
    request.on_cancel(lambda: sock.shutdown(socket.SHUT_RDWR))
    connection = http.client.HTTPConnection(parts.hostname, port)
    connection.sock = sock
    if is_secure:
        context = ssl.create_default_context()
        connection.sock = context.wrap_socket(sock,
                                              server_hostname=parts.hostname)
        tls = connection.sock
        request.on_cancel(lambda: tls.shutdown(socket.SHUT_RDWR))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", path, headers={
        "Host": parts.netloc.rpartition("@")[2],
        "User-Agent": "HalfwayFileChecksum/1.0",
        "Accept-Encoding": "identity", "Connection": "close"})
    return connection


def open_socket(host: str, port: int) -> socket.socket:
    """Connects to the address that was checked: a second lookup of the
    name could give another one.
    """
    fault: Optional[OSError] = None
    for family, kind, protocol, _, target in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM):
        if not is_allowed(str(target[0])):
            raise failure("not_public")
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(TIMEOUT_SECONDS)
        try:
            sock.connect(target)
            return sock
        except OSError as error:
            sock.close()
            fault = error
    raise fault or OSError("no address")


def is_allowed(address: str) -> bool:
    if os.environ.get("FILE_CHECKSUM_ALLOW_PRIVATE") == "true":
        return True
    parsed = ipaddress.ip_address(address.partition("%")[0])
    embedded = getattr(parsed, "ipv4_mapped", None) or getattr(
        parsed, "sixtofour", None) or getattr(parsed, "teredo", None)
    return parsed.is_global and not parsed.is_multicast and not embedded


def read_all(download: Download, algorithm: str, request: Request) -> str:
    digest = hashlib.new(algorithm)
    if (download.total or 0) > MAX_BYTES:
        raise failure("too_large")
    reported_at = 0.0
    while True:
        request.check()
        part = download.read()
        digest.update(part)
        if download.read_bytes > MAX_BYTES:
            raise failure("too_large")
        now = time.monotonic()
        if now - reported_at >= REPORT_SECONDS or not part:
            reported_at = now
            report(download, request)
        if not part:
            return digest.hexdigest()


def report(download: Download, request: Request) -> None:
    """Without a known length, progress slows down as the file grows."""
    done = download.read_bytes
    megabytes = round(done / 1e6, 1)
    share = (done / download.total if download.total
             else 1 - 1 / (1 + done / 1e7))
    request.progress(5 + 93 * share, "downloading",
                     f"Read {megabytes} MB…", message_key="downloading",
                     message_params={"megabytes": megabytes})


def iso_time(header: Optional[str]) -> Optional[str]:
    try:
        moment = parsedate_to_datetime(header or "")
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def failure(code: str, retryable: bool = False) -> BotFailure:
    return BotFailure(code, DEFINITION["messages"][code]["en"], retryable)


if __name__ == "__main__":
    bot.run()
