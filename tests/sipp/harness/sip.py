# SPDX-License-Identifier: BSD-3-Clause
"""SIP messages for the tests' own peers: read leniently, written exactly. No transactions: the tests decide every byte."""
import itertools
import os

SDP = ("v=0\r\no=t 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
       "a=rtpmap:8 PCMA/8000\r\n")
REASONS = {100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 404: "Not Found", 486: "Busy Here",
           487: "Request Terminated", 500: "Server Internal Error", 503: "Service Unavailable", 603: "Decline"}
_number = itertools.count(1)


def token(prefix=""):
    return f"{prefix}{next(_number)}{os.urandom(5).hex()}"


class Message:
    """A message as received. Header names are compared without case; compact forms are not used by our peers."""

    def __init__(self, data, source=None, time=0.0, destination=None):
        self.data, self.source, self.time, self.destination = bytes(data), source, time, destination
        head, _, self.body = self.data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.start = lines[0]
        self.headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers.append((name.strip().lower(), value.strip()))
        words = self.start.split(" ", 2)
        self.status = int(words[1]) if words[0] == "SIP/2.0" and len(words) > 1 and words[1].isdigit() else 0
        self.method = "" if self.status else words[0]
        self.uri = words[1] if not self.status and len(words) > 1 else ""

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def get(self, name, default=""):
        return next(iter(self.all(name)), default)

    def _param(self, value, name):
        for part in value.split(";")[1:]:
            key, _, text = part.strip().partition("=")
            if key == name:
                return text
        return ""

    @property
    def branch(self):
        return self._param(self.get("via"), "branch")

    def via_param(self, index, name):
        return self._param(self.all("via")[index], name)

    @property
    def cseq(self):
        number, _, method = self.get("cseq").partition(" ")
        return int(number or 0), method.strip()

    @property
    def to_tag(self):
        return self._param(self.get("to"), "tag")

    @property
    def call_id(self):
        return self.get("call-id")

    @property
    def contact_uri(self):
        text = self.get("contact")
        return text[text.find("<") + 1:text.find(">")] if "<" in text else text

    def is_(self, what):
        """what: a method, a status, (status, CSeq method), or "final" (any final response to an INVITE)."""
        if what == "final":
            return self.status >= 200 and self.cseq[1] == "INVITE"
        if isinstance(what, tuple):
            return self.status == what[0] and self.cseq[1] == what[1]
        return self.status == what if isinstance(what, int) else self.method == what

    def __repr__(self):
        return f"<{self.start} CSeq {self.get('cseq')} from {self.source}>"


def looks_like_sip(data):
    first = bytes(data[:200]).split(b"\r\n", 1)[0]
    return first.startswith(b"SIP/2.0 ") or first.endswith(b" SIP/2.0")


def text(start, headers, body=""):
    lines = [start] + [f"{name}: {value}" for name, value in headers]
    if not any(name.lower() == "content-length" for name, _ in headers):
        lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def hostport(address):
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def response(request, status, tag="", own="", extra=(), body=""):
    """What a server answers: Vias, Record-Routes, From, To, Call-ID, CSeq as received (RFC 3261 8.2.6)."""
    headers = [("Via", value) for value in request.all("via")]
    if 100 < status < 300:
        headers += [("Record-Route", value) for value in request.all("record-route")]
    to = request.get("to")
    if status > 100 and "tag=" not in to:
        to += f";tag={tag or 'uas'}"
    headers += [("From", request.get("from")), ("To", to), ("Call-ID", request.call_id), ("CSeq", request.get("cseq"))]
    if own and 100 < status < 300:
        headers.append(("Contact", f"<sip:uas@{own}>"))
    headers += list(extra)
    if body:
        headers.append(("Content-Type", "application/sdp"))
    return text(f"SIP/2.0 {status} {REASONS.get(status, 'Whatever')}", headers, body)
