/* SPDX-License-Identifier: BSD-3-Clause */
/* messages.h - the seven messages of a plain call as the proxy receives them, for timing its parts one by one. */
#pragma once

#define SDP                                                                                                            \
	"v=0\r\no=- 3724394400 3724394405 IN IP4 198.18.100.100\r\ns=-\r\nc=IN IP4 198.18.100.100\r\nt=0 0\r\n"        \
	"m=audio 49170 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 "                                    \
	"telephone-event/8000\r\na=ptime:20\r\n"                                                                       \
	"a=fmtp:101 0-16\r\na=fmtp:101 0-16\r\na=f\r\n"
#define SDP_HEADER "Content-Type: application/sdp\r\nContent-Length: 233\r\n\r\n"
#define FROM       "From: \"Caller\" <sip:+441632960000@198.18.100.144>;tag=c0000a1f0e1bd34c2\r\n"
#define TO         "To: <sip:+4420000041456@192.0.2.10>"
#define TAG        ";tag=t0000a1f0e1bd34c2\r\n"
#define CALL_ID    "Call-ID: 0000a1f0e1bd34c2@bench\r\n"
#define VIA(m)     "Via: SIP/2.0/UDP 198.18.100.144:5060;rport;branch=z9hG4bK" m "0000a1f0e1bd34c2\r\n"
#define VIAS                                                                                                           \
	"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK0123456789abcdef0123456789abcdef01234567\r\n"                  \
	"Via: SIP/2.0/UDP 198.18.100.144:5060;rport=5060;branch=z9hG4bKI0000a1f0e1bd34c2;received=198.18.100.144\r\n"
#define RECORD_ROUTE "<sip:192.0.2.10;lr;sb=0123456789abcdef01234567>"
#define ANSWER       VIAS "Record-Route: " RECORD_ROUTE "\r\n" FROM CALL_ID "CSeq: 1 INVITE\r\n" TO
#define CONTACT      "Contact: <sip:trunk@198.19.100.100:5060>\r\n"
#define IN_DIALOG(M, m, n)                                                                                             \
	M " sip:trunk@198.19.100.100:5060 SIP/2.0\r\n" VIA(m) "Max-Forwards: 70\r\nRoute: " RECORD_ROUTE               \
	                                                      "\r\n" FROM TO TAG CALL_ID "CSeq: " n " " M              \
	                                                      "\r\nContent-Length: 0\r\n\r\n"

static const struct {
	const char *name, *text;
} messages[] = {
        {"INVITE", "INVITE sip:+4420000041456@192.0.2.10:5060 SIP/2.0\r\n" VIA(
                           "I") "Max-Forwards: 70\r\n" FROM TO "\r\n" CALL_ID
                                "CSeq: 1 INVITE\r\nContact: <sip:caller@198.18.100.144:5060>\r\nAllow: INVITE, ACK, "
                                "CANCEL, BYE, OPTIONS\r\n"
                                "Supported: timer\r\nUser-Agent: bench\r\n" SDP_HEADER SDP},
        {"100", "SIP/2.0 100 Trying\r\n" ANSWER "\r\nContent-Length: 0\r\n\r\n"},
        {"180", "SIP/2.0 180 Ringing\r\n" ANSWER TAG CONTACT "Content-Length: 0\r\n\r\n"},
        {"200", "SIP/2.0 200 OK\r\n" ANSWER TAG CONTACT SDP_HEADER SDP},
        {"ACK", IN_DIALOG("ACK", "A", "1")},
        {"BYE", IN_DIALOG("BYE", "B", "2")},
        {"200 BYE", "SIP/2.0 200 OK\r\n" VIAS FROM CALL_ID "CSeq: 2 BYE\r\n" TO TAG "Content-Length: 0\r\n\r\n"},
};

#undef SDP
#undef SDP_HEADER
#undef FROM
#undef TO
#undef TAG
#undef CALL_ID
#undef VIA
#undef VIAS
#undef RECORD_ROUTE
#undef ANSWER
#undef CONTACT
#undef IN_DIALOG
