# SPDX-License-Identifier: BSD-3-Clause
"""SIP peers over one UDP socket in a namespace, for what sipp cannot do to the byte or the millisecond."""
import socket
import threading
import time

from . import sip

SO_RCVBUFFORCE = 33


class Nothing(Exception):
    """What was awaited did not come."""


class Endpoint:
    """A bound socket; a thread keeps all that arrives. answer(endpoint, message) sees each message first: if it returns true
    the message is dealt with (it stays in .log, but expect() passes over it)."""

    def __init__(self, host, port=5060, v6=False, segment=0, answer=None, address=None):
        self.address = (address or host.address(v6, segment), port)
        self.label = host.label
        self.answer = answer
        self.log, self._waiting = [], []
        self._arrived = threading.Condition()
        with host.ns.entered():
            self.socket = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.socket.bind(self.address)
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self):
        while True:
            try:
                data, source = self.socket.recvfrom(65535)
            except ConnectionError:
                continue  # an ICMP error for something sent earlier
            except OSError:
                return
            if not data:
                continue
            message = sip.Message(data, source[:2], time.monotonic())
            with self._arrived:
                self.log.append(message)  # before it is answered: who has the answer may count it
            if not (self.answer and self.answer(self, message)):
                with self._arrived:
                    self._waiting.append(message)
                    self._arrived.notify_all()

    def send(self, data, to):
        self.socket.sendto(data, to)

    def reply(self, request, status, tag="", extra=(), body=""):
        self.send(sip.response(request, status, tag, sip.hostport(self.address), extra, body), request.source)

    def expect(self, what, timeout=5.0, call_id=None):
        """The first message not yet taken that is `what` (method, status, (status, method)); others stay."""
        until = time.monotonic() + timeout
        with self._arrived:
            while True:
                for index, message in enumerate(self._waiting):
                    if message.is_(what) and call_id in (None, message.call_id):
                        return self._waiting.pop(index)
                left = until - time.monotonic()
                if left <= 0:
                    raise Nothing(f"{self.label}: no {what} within {timeout} s; got {self.log[-6:]}")
                self._arrived.wait(left)

    def count(self, what, call_id=None):
        with self._arrived:
            return sum(1 for message in self.log if message.is_(what) and call_id in (None, message.call_id))

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        self._thread.join(1.0)


class Trunk(Endpoint):
    """A trunk that answers OPTIONS probes with `alive` (0: not at all; `flap`: every other one) and leaves everything else
    to the test."""

    def __init__(self, host, alive=200, answer=None, **where):
        self.alive, self.flap = alive, False
        self.probes = 0
        self._more = answer
        super().__init__(host, answer=self._dispatch, **where)

    def _dispatch(self, _, message):
        if message.method == "OPTIONS":
            self.probes += 1
            if self.alive or self.flap and self.probes % 2:
                self.reply(message, self.alive or 200)
            return True
        return bool(self._more and self._more(self, message))


def answering(status=200):
    """An answer function: INVITEs get 180 and the status, BYE and CANCEL 200, ACKs nothing."""

    def answer(endpoint, message):
        if message.method == "INVITE":
            if status < 300:
                endpoint.reply(message, 180)
            endpoint.reply(message, status, body=sip.SDP if status < 300 else "")
        elif message.method in ("BYE", "CANCEL", "MESSAGE", "INFO"):
            endpoint.reply(message, 200)
        return bool(message.method)

    return answer


class Call:
    """The caller's half of one call: builds each request as RFC 3261 12.2.1.1 and 17.1.1.3 say."""

    def __init__(self, endpoint, proxy, number="4420001", host=None):
        self.endpoint, self.proxy = endpoint, proxy
        self.own = sip.hostport(endpoint.address)
        self.target = f"sip:{number}@{host or sip.hostport(proxy)}"
        self.call_id, self.from_tag = sip.token("c"), sip.token("f")
        self.cseq = 0
        self.branch = ""
        self.routes = []
        self.to = f"<{self.target}>"
        self.remote = self.target
        self.last = b""

    def build(self, method, cseq, branch, uri=None, extra=(), body="", max_forwards=70, routes=None):
        headers = [("Via", f"SIP/2.0/UDP {self.own};branch={branch};rport")]
        headers += [("Route", route) for route in (self.routes if routes is None else routes)]
        headers += [("From", f"<sip:caller@{self.own}>;tag={self.from_tag}"), ("To", self.to), ("Call-ID", self.call_id),
                    ("CSeq", f"{cseq} {method}")]
        if max_forwards is not None:
            headers.append(("Max-Forwards", str(max_forwards)))
        if method in ("INVITE", "SUBSCRIBE", "REGISTER"):
            headers.append(("Contact", f"<sip:caller@{self.own}>"))
        headers += list(extra)
        if body:
            headers.append(("Content-Type", "application/sdp"))
        return sip.text(f"{method} {uri or self.remote} SIP/2.0", headers, body)

    def send(self, method, extra=(), body=None, **more):
        self.cseq += 1
        self.branch = sip.token("z9hG4bK")
        if body is None:
            body = sip.SDP if method == "INVITE" else ""
        self.last = self.build(method, self.cseq, self.branch, extra=extra, body=body, **more)
        self.endpoint.send(self.last, self.proxy)
        return self

    def again(self):
        self.endpoint.send(self.last, self.proxy)

    def cancel(self):
        self.endpoint.send(self.build("CANCEL", self.cseq, self.branch), self.proxy)

    def expect(self, what, timeout=5.0):
        return self.endpoint.expect(what, timeout, self.call_id)

    def final(self, status, timeout=5.0, method="INVITE"):
        """Awaits a final answer to the INVITE and ACKs it; a 2xx makes the dialog."""
        answer = self.expect((status, method), timeout)
        if method == "INVITE":
            self.ack(answer)
        return answer

    def ack(self, answer):
        if answer.status < 300:
            if "tag=" not in self.to:  # the dialog's first: its route set stays (12.2)
                self.routes = list(reversed(answer.all("record-route")))
            self.to = answer.get("to")
            self.remote = answer.contact_uri or self.remote
            data = self.build("ACK", answer.cseq[0], sip.token("z9hG4bK"))
        else:
            to, self.to = self.to, answer.get("to")
            data = self.build("ACK", self.cseq, self.branch)
            self.to = to
        self.endpoint.send(data, self.proxy)

    def count(self, what):
        return self.endpoint.count(what, self.call_id)


class Dialog:
    """The callee's half: its own requests in the dialog that the 200 it sent for `invite` made."""

    def __init__(self, endpoint, invite, tag, proxy):
        self.endpoint, self.invite, self.tag, self.proxy = endpoint, invite, tag, proxy
        self.cseq = 100

    def send(self, method):
        self.cseq += 1
        own = sip.hostport(self.endpoint.address)
        to = self.invite.get("to")
        headers = [("Via", f"SIP/2.0/UDP {own};branch={sip.token('z9hG4bK')}")]
        headers += [("Route", value) for value in self.invite.all("record-route")]
        headers += [("From", f"{to};tag={self.tag}"), ("To", self.invite.get("from")), ("Call-ID", self.invite.call_id),
                    ("CSeq", f"{self.cseq} {method}"), ("Max-Forwards", "70")]
        self.endpoint.send(sip.text(f"{method} {self.invite.contact_uri} SIP/2.0", headers), self.proxy)
