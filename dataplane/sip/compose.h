/* SPDX-License-Identifier: BSD-3-Clause */
/* compose.h - writes the messages that leave: the original with a proxy's edits, or one of our own.
 * All write into the caller's buffer and return the length, or SB_E_NOSPACE. Bytes and order of all that a proxy need
 * not touch are kept (R3261-16.6). Pure. */
#pragma once
#include "dataplane/sip/keys.h"
#include "dataplane/sip/sip.h"
#include <switchback/addr.h>

#define SB_OWN_ROUTES_MAX 2
/* Upper bound of what relaying adds to a message: size buffers with it. */
#define SB_RELAY_GROWTH 640

/* How a request changes on its way. Pointers are borrowed for the call. */
struct sb_relay {
	const char *via_hostport; /* of the listener it leaves from */
	size_t via_hostport_len;
	const char *branch;    /* SB_BRANCH_LEN bytes */
	struct sb_addr source; /* where it came from: `received` if it differs from sent-by, `rport` if asked (R3581) */
	unsigned n_record_routes; /* 0..2; written topmost first */
	struct {
		const char *hostport;
		size_t hostport_len;
		char token[SB_RR_TOKEN_LEN]; /* <sip:hostport;lr;sb=token> */
	} record_route[SB_OWN_ROUTES_MAX];
	unsigned strip_routes; /* the first 0..2 Route values are ours and go */
};

/* Request relay: Via on top, received/rport into the sender's Via, Max-Forwards down by one or added as 70,
 * Record-Route added, own Routes stripped, trailing bytes past Content-Length cut. */
int sb_compose_request(const struct sb_sip *sip, const struct sb_relay *relay, char *out, size_t cap);

/* Response relay: top Via value removed. status 0 keeps the status line; else it becomes "SIP/2.0 status reason". */
int sb_compose_response(const struct sb_sip *sip, unsigned status, const char *reason, char *out, size_t cap);

/* Own reply to a request (RFC 3261 8.2.6): every Via (top one with received/rport for source), From, To (with to_tag
 * appended if it has none and to_tag_len > 0), Call-ID, CSeq, Timestamp for 100, extra lines ("Name: value\r\n"...,
 * may be NULL), Content-Length: 0. Works on any sip that is answerable: a line that the request lacks is left out. */
struct sb_reply {
	unsigned status;
	const char *reason;
	const char *to_tag;
	size_t to_tag_len;
	const char *extra;
	struct sb_addr source;
};
int sb_compose_reply(const struct sb_sip *sip, const struct sb_reply *reply, char *out, size_t cap);

/* The extra lines of a 420: "Unsupported:" with every option tag of every Proxy-Require line, for we support none (16.3
 * step 5). NUL-terminated; a line that does not fit into cap is left out. */
#define SB_UNSUPPORTED_MAX 512
void sb_compose_unsupported(const struct sb_sip *sip, char *out, size_t cap);

/* ACK to a non-2xx final of a leg (17.1.1.3): Request-URI, From, Call-ID, CSeq number, Routes (strip_routes cut) of
 * the stored request; To of the response (to_line text without CRLF); one Via with the leg's branch. */
int sb_compose_ack(const struct sb_sip *request, const struct sb_relay *relay, const char *to_line, size_t to_line_len,
        char *out, size_t cap);

/* CANCEL of a leg (9.1): as ACK, with the request's own To. */
int sb_compose_cancel(const struct sb_sip *request, const struct sb_relay *relay, char *out, size_t cap);

/* ACK or BYE (method SB_M_ACK, SB_M_BYE) that ends a 2xx nobody wants: built from that 2xx as a UAC would
 * (13.2.2.4, 15.1.1): Request-URI its Contact (or request's Request-URI if it has none), Routes its Record-Route values
 * above our own (own_host hostport) reversed, From/To/Call-ID of the 2xx, CSeq number as is for ACK and plus one for
 * BYE. */
int sb_compose_after_2xx(const struct sb_sip *response, const struct sb_sip *request, enum sb_method method,
        const char *own_hostport, size_t own_hostport_len, const char *branch, char *out, size_t cap);

/* OPTIONS probe. target and own are hostport texts; from is a URI or "" for sip:switchback@own; user_agent may be "".
 */
int sb_compose_probe(const char *target, const char *own, const char *branch, const char *from, const char *user_agent,
        uint32_t id, char *out, size_t cap);

/* Where responses to a request with this Via go (18.2.2, R3581): received or sent-by, rport or its port or 5060.
 * 0, or SB_E_INVAL if the host is a name (we never resolve on the packet path). */
int sb_via_target(const struct sb_sip *sip, const struct sb_via *via, struct sb_addr *to);

/* The standard reason phrase of a status code; "Unknown" if there is none. */
const char *sb_reason(unsigned status);
